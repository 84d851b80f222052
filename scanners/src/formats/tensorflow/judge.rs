//! What running a TensorFlow graph would do: its operations by their tiers, and where the paths of file operations come from.
//!
//! An operation is judged wherever it stands, called or not. A checkpoint operation is ordinary as long as its path comes
//! from the loader; a path that the graph brings itself is followed back through the nodes and through calls of functions.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::{
    formats::{
        paths::leaves_folder,
        tensorflow::{
            graph::{Graph, Node},
            ops::{Op, look_up},
        },
    },
    rules::{self, Rule},
    scan::{Scan, Scanned},
    source::Source,
};

/// Attributes that name a file or an address which the operation opens by itself.
const OPENING: &[(&str, &str, &[&str])] = &[
    ("ImmutableConst", "memory_region_name", &[""]),
    ("PrintV2", "output_stream", &["stderr", "stdout", "log(info)", "log(warning)", "log(error)", ""]),
    ("DecodeProtoV2", "descriptor_source", &["local://", ""]),
    ("EncodeProto", "descriptor_source", &["local://", ""]),
    ("DebugIdentity", "debug_urls", &[""]),
    ("DebugIdentityV2", "debug_urls", &[""]),
    ("DebugIdentityV3", "debug_urls", &[""]),
    ("DebugNanCount", "debug_urls", &[""]),
    ("DebugNumericSummary", "debug_urls", &[""]),
    ("DebugNumericSummaryV2", "debug_urls", &[""]),
];

/// Judges the graphs of one model. `assets` are the nodes whose paths the loader replaces by its own.
pub(crate) fn judge(scan: &mut Scan<'_>, source: &Source, graphs: &[Graph], assets: &HashSet<String>) -> Scanned<()> {
    let functions: HashMap<&str, usize> =
        graphs.iter().enumerate().filter_map(|(at, g)| Some((g.function.as_deref()?, at))).collect();
    let mut flow = Flow { graphs, functions, assets, sinks: Vec::new(), seen: HashSet::new() };
    let mut seen: BTreeMap<(&'static str, String), Sight> = BTreeMap::new();
    let mut see = |rule: &'static Rule, op: &str, graph: &Graph, node: &Node, why: &str| {
        let sight = seen.entry((rule.id, op.to_owned())).or_insert_with(|| Sight {
            rule,
            at: node.at,
            message: format!("{} {why}", standing(op, graph, node)),
            more: 0,
        });
        sight.more += 1;
    };
    for (number, graph) in graphs.iter().enumerate() {
        for node in &graph.nodes {
            scan.steps(1)?;
            // A function that is named can be an operation itself.
            let named =
                node.calls.iter().filter(|name| !matches!(look_up(name), None | Some(Op::Plain | Op::Path(..))));
            for op in node.ops.iter().chain(named) {
                match look_up(op) {
                    Some(Op::Plain) => opening(op, graph, node, &mut see),
                    Some(Op::File(what)) => {
                        let text = flow.first_text(scan, number, node)?;
                        let given = text.map_or_else(String::new, |text| format!(": {text:?}"));
                        see(&rules::GRAPH_FILE_OP, op, graph, node, &format!("{what}{given}."));
                    }
                    Some(Op::Path(input, what)) => flow.sink(number, node, input, op, what),
                    Some(Op::Python) => {
                        let why = "calls a function of the Python process that runs the model.";
                        see(&rules::GRAPH_PYTHON_OP, op, graph, node, why);
                    }
                    Some(Op::Library(what)) => see(&rules::GRAPH_LIBRARY, op, graph, node, &format!("{what}.")),
                    None if flow.functions.contains_key(op.as_str()) => {}
                    None => {
                        let why = "is neither an operation of TensorFlow nor a function of this graph: it comes from a \
                                   library that the loading program has to bring.";
                        see(&rules::GRAPH_UNKNOWN_OP, op, graph, node, why);
                    }
                }
            }
        }
    }
    for sight in seen.into_values() {
        let again = if sight.more > 1 { format!(" It is there {} times.", sight.more) } else { String::new() };
        scan.found(sight.rule, source, sight.at, sight.message + &again);
    }
    flow.follow(scan, source)
}

/// An operation that was seen, once or more often.
struct Sight {
    rule: &'static Rule,
    at: u64,
    message: String,
    more: u64,
}

/// The beginning of a sentence.
fn standing(op: &str, graph: &Graph, node: &Node) -> String {
    let place = match &graph.function {
        Some(function) => format!(" in the function `{function}`"),
        None => String::new(),
    };
    format!("The node `{}`{place} runs `{op}`, which", node.name)
}

fn opening(op: &str, graph: &Graph, node: &Node, see: &mut impl FnMut(&'static Rule, &str, &Graph, &Node, &str)) {
    for (_, key, fine) in OPENING.iter().filter(|(name, ..)| *name == op) {
        for (_, value) in node.settings.iter().filter(|(name, _)| name == key) {
            let inline = value.starts_with("bytes://") && key.starts_with("descriptor");
            if !inline && !fine.contains(&value.as_str()) {
                let why = format!("opens what its `{key}` says: {value:?}.");
                see(&rules::GRAPH_FILE_OP, op, graph, node, &why);
            }
        }
    }
}

/// One input whose text becomes a path.
#[derive(Clone)]
struct Sink {
    graph: usize,
    input: String,
    /// Whether the text is the path's beginning, not something put behind one.
    leading: bool,
    op: String,
    what: &'static str,
    at: u64,
    sentence: String,
}

/// Follows texts to the operations that open them.
struct Flow<'a> {
    graphs: &'a [Graph],
    functions: HashMap<&'a str, usize>,
    assets: &'a HashSet<String>,
    sinks: Vec<Sink>,
    seen: HashSet<(usize, String, bool, String)>,
}

impl Flow<'_> {
    fn sink(&mut self, graph: usize, node: &Node, input: usize, op: &str, what: &'static str) {
        let Some(taken) = node.inputs.get(input).or(node.inputs.last()) else { return };
        let sentence = self.graphs.get(graph).map(|g| standing(op, g, node)).unwrap_or_default();
        let sink = Sink { graph, input: taken.clone(), leading: true, op: op.to_owned(), what, at: node.at, sentence };
        self.push(sink);
    }

    fn push(&mut self, sink: Sink) {
        if self.seen.insert((sink.graph, sink.input.clone(), sink.leading, sink.op.clone())) {
            self.sinks.push(sink);
        }
    }

    /// Follows every path back to where its text comes from.
    fn follow(&mut self, scan: &mut Scan<'_>, source: &Source) -> Scanned<()> {
        while let Some(sink) = self.sinks.pop() {
            scan.steps(1)?;
            let Some(graph) = self.graphs.get(sink.graph) else { continue };
            let name = node_name(&sink.input);
            if let Some(argument) = graph.arguments.iter().position(|argument| argument == name) {
                self.follow_callers(scan, &sink, argument)?;
            }
            let Some(node) = graph.node(name) else { continue };
            let asset = graph.function.is_none() && self.assets.contains(&node.name);
            for text in node.texts.iter().filter(|_| !asset) {
                if let Some(why) = leaves(text, sink.leading) {
                    let message =
                        format!("{} {}. The graph brings the path itself: {text:?}; {why}.", sink.sentence, sink.what);
                    scan.found(&rules::GRAPH_FILE_OP, source, sink.at, message);
                }
            }
            let joins = node.ops.iter().any(|op| op == "StringJoin");
            for (place, input) in node.inputs.iter().filter(|input| !input.starts_with('^')).enumerate() {
                let leading = sink.leading && (place == 0 || !joins);
                self.push(Sink { input: input.clone(), leading, ..sink.clone() });
            }
            // What a called function answers may be a text of its own.
            for function in called(node).filter_map(|name| self.functions.get(name).copied()).collect::<Vec<_>>() {
                let texts = self.graphs.get(function).map(|g| g.nodes.iter().filter(|n| !n.texts.is_empty()));
                let names: Vec<String> = texts.into_iter().flatten().map(|n| n.name.clone()).collect();
                for input in names {
                    self.push(Sink { graph: function, input, ..sink.clone() });
                }
            }
        }
        Ok(())
    }

    /// The path is an argument of the function: whatever its callers give is the path.
    fn follow_callers(&mut self, scan: &mut Scan<'_>, sink: &Sink, argument: usize) -> Scanned<()> {
        let Some(function) = self.graphs.get(sink.graph).and_then(|graph| graph.function.as_deref()) else {
            return Ok(());
        };
        let mut found = Vec::new();
        for (number, graph) in self.graphs.iter().enumerate() {
            for node in &graph.nodes {
                scan.steps(1)?;
                if called(node).any(|name| name == function) {
                    // `If` and `Case` take what they choose by before the arguments; each place is tried.
                    let inputs = [argument, argument + 1];
                    let chooses = node.ops.iter().any(|op| op.contains("If") || op.contains("Case"));
                    for place in inputs.into_iter().take(if chooses { 2 } else { 1 }) {
                        if let Some(input) = node.inputs.get(place) {
                            found.push(Sink { graph: number, input: input.clone(), ..sink.clone() });
                        }
                    }
                }
            }
        }
        for sink in found {
            self.push(sink);
        }
        Ok(())
    }

    /// The first text that the node is given from within its own graph.
    fn first_text(&self, scan: &mut Scan<'_>, graph: usize, node: &Node) -> Scanned<Option<String>> {
        let Some(graph) = self.graphs.get(graph) else { return Ok(None) };
        let mut todo: Vec<&str> = node.inputs.iter().rev().map(|input| node_name(input)).collect();
        let mut seen = HashSet::new();
        while let Some(name) = todo.pop() {
            scan.steps(1)?;
            if seen.len() > 100 || !seen.insert(name) {
                continue;
            }
            let Some(node) = graph.node(name) else { continue };
            if let Some(text) = node.texts.first() {
                return Ok(Some(text.clone()));
            }
            todo.extend(node.inputs.iter().rev().map(|input| node_name(input)));
        }
        Ok(None)
    }
}

fn called(node: &Node) -> impl Iterator<Item = &str> {
    node.calls.iter().chain(&node.ops).map(String::as_str)
}

/// `^name`, `name:0` and `name:output:0` without what is around the name.
fn node_name(input: &str) -> &str {
    input.trim_start_matches('^').split(':').next().unwrap_or_default()
}

fn leaves(text: &str, leading: bool) -> Option<&'static str> {
    let why = leaves_folder(text)?;
    let goes_up = text.split(['/', '\\']).any(|part| part.trim() == "..");
    (leading || goes_up).then_some(why)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::{Limits, Outcome, Verdict, scan};

    fn verdict(text: &str) -> (Verdict, Vec<String>) {
        let bytes = bytes::Bytes::copy_from_slice(text.as_bytes());
        match scan("graph.pbtxt", Arc::new(bytes), &Limits::default(), None) {
            Outcome::Judged(report) => {
                (report.verdict, report.findings.iter().map(|finding| finding.rule.id.to_owned()).collect())
            }
            Outcome::Needs(_) => unreachable!("all of it is here"),
        }
    }

    fn constant(name: &str, text: &str) -> String {
        format!(
            "node {{ name: '{name}' op: 'Const' attr {{ key: 'value' value {{ tensor {{ dtype: DT_STRING string_val: '{text}' }} }} }} }}\n"
        )
    }

    #[test]
    fn a_checkpoint_is_ordinary_where_the_loader_gives_its_path() {
        let join = "node { name: 'j' op: 'StringJoin' input: 'p' input: 'part' }\n";
        let save = "node { name: 's' op: 'SaveV2' input: 'j' }\n";
        let loader = format!("node {{ name: 'p' op: 'Placeholder' }}\n{}{join}{save}", constant("part", "/part"));
        assert_eq!(verdict(&loader).0, Verdict::Clean);
        let own = format!("{}{}{join}{save}", constant("p", "/root/.ssh/"), constant("part", "x"));
        assert_eq!(verdict(&own).0, Verdict::Malicious);
        let up = format!("node {{ name: 'p' op: 'Placeholder' }}\n{}{join}{save}", constant("part", "/../../x"));
        assert_eq!(verdict(&up).0, Verdict::Malicious);
    }

    #[test]
    fn an_operation_is_judged_however_it_is_written() {
        for op in ["op: 'ReadFile'", "op: \"Read\" \"File\"", "op:'\\122eadFile'", "op: 'MatMul' op: 'ReadFile'"] {
            assert_eq!(verdict(&format!("node {{ name: 'n' {op} }}")).0, Verdict::Malicious, "{op}");
        }
        assert_eq!(verdict("node { name: 'n' op: 'Acme' }").1, ["WB-TFM-003"]);
        assert_eq!(verdict("node { name: 'n' op: 'MatMul' } # op: 'ReadFile'").0, Verdict::Clean);
    }
}
