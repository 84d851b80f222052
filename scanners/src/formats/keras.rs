//! Keras configs: JSON that names the classes and functions a model is rebuilt from.
//!
//! Loading imports and calls what is named, so that every object at every depth is looked at, under every value that a key
//! has. Nothing is imported here. Used for `.keras` archives, for attributes of HDF5 files and for SavedModels.

mod code;
mod names;
mod operations;

use self::{names::Builtin, operations::Reach};
use crate::{
    read::json::{Kind, Tree},
    rules::{self, Rule},
    scan::{Scan, Scanned, Stop},
    source::Source,
};

/// Values in one config. Real ones have some hundred thousand.
const VALUES: usize = 4_000_000;

/// Texts within texts that are read as configs of their own.
const NESTED: usize = 64;

/// Inspects the text of a config. `at` is where the text begins in the source.
pub(crate) fn config(scan: &mut Scan<'_>, source: &Source, at: u64, text: &str) -> Scanned<()> {
    config_bytes(scan, source, at, text.as_bytes())
}

/// The same for bytes in any encoding that Python's reader of JSON recognises.
pub(crate) fn config_bytes(scan: &mut Scan<'_>, source: &Source, at: u64, bytes: &[u8]) -> Scanned<()> {
    any_config(scan, source, at, bytes, |_| true)
}

/// The same for a text that only looks like a config: nothing is said of one that is none, or is no JSON.
pub(crate) fn possible(scan: &mut Scan<'_>, source: &Source, at: u64, text: &str) -> Scanned<()> {
    match any_config(scan, source, at, text.as_bytes(), is_config) {
        Err(Stop::Broken { .. }) => Ok(()),
        done => done,
    }
}

fn any_config(scan: &mut Scan<'_>, source: &Source, at: u64, bytes: &[u8], is_one: fn(&Tree) -> bool) -> Scanned<()> {
    scan.steps(bytes.len() as u64 / 8)?;
    let text = code::as_utf8(bytes);
    match Tree::parse(&text, VALUES) {
        Ok(tree) if is_one(&tree) => tree_of(scan, source, at, &tree),
        Ok(_) => Ok(()),
        Err(Stop::Broken { at: here, what }) => {
            // What comes before the fault, and what comes behind it, may be whole documents to a more lenient reader.
            let here = usize::try_from(here).unwrap_or(0).min(text.len());
            let (before, behind) = text.split_at(here);
            for part in [before, behind].into_iter().filter(|part| part.len() < text.len()) {
                if let Ok(tree) = Tree::parse(part, VALUES)
                    && is_one(&tree)
                {
                    tree_of(scan, source, at, &tree)?;
                }
            }
            Err(Stop::Broken { at: at.saturating_add(here as u64), what })
        }
        Err(stop) => Err(stop),
    }
}

/// Whether a JSON document is a config of Keras: a class with its own config. Keras rebuilds what lies deeper in lists and
/// plain objects too; there it has to be something that only Keras writes, for others have classes with configs as well.
pub(crate) fn is_config(tree: &Tree) -> bool {
    let has = |id: usize, key: &'static str| tree.get_all(id, key).next().is_some();
    let is = |id: usize| has(id, "class_name") && (has(id, "config") || has(id, "module"));
    is(tree.root()) || tree.all().any(|(id, _)| has(id, "class_name") && has(id, "config") && is_of_keras(tree, id))
}

/// Whether an object with a class has a mark of Keras: its modules, its registry, or a class that carries code.
fn is_of_keras(tree: &Tree, id: usize) -> bool {
    let module = tree.get_all(id, "module").filter_map(|id| tree.text(id)).any(|module| {
        names::inside_keras(module).is_some() || names::inside_trusted(module).is_some() || names::is_of_python(module)
    });
    let class = tree.get_all(id, "class_name").filter_map(|id| tree.text(id)).any(|class| {
        let bare = class.rsplit(['>', '.']).next().unwrap_or(class);
        names::CARRIES_CODE.contains(&bare) || names::LOADS_OTHERS.contains(&bare)
    });
    module || class || tree.get_all(id, "registered_name").next().is_some()
}

/// The same for a config that somebody has read.
pub(crate) fn tree_of(scan: &mut Scan<'_>, source: &Source, at: u64, tree: &Tree) -> Scanned<()> {
    let mut nested = 0;
    for (_, value) in tree.all() {
        scan.steps(1)?;
        if let Kind::String(text) = &value.kind
            && text.starts_with('{')
            && text.contains("class_name")
            && nested < NESTED
        {
            nested += 1;
            if let Ok(inner) = Tree::parse(text.as_bytes(), VALUES / NESTED) {
                objects(scan, source, at.saturating_add(value.at), &inner)?;
            }
        }
    }
    objects(scan, source, at, tree)
}

fn objects(scan: &mut Scan<'_>, source: &Source, at: u64, tree: &Tree) -> Scanned<()> {
    for (id, value) in tree.all() {
        scan.steps(1)?;
        if !matches!(value.kind, Kind::Object(_)) {
            continue;
        }
        let object = Object { tree, id, source, at: at.saturating_add(value.at) };
        if let Some(key) = tree.duplicate(id) {
            let message =
                format!("An object of the config has the key `{key}` twice; readers differ in which they take.");
            object.found(scan, &rules::KERAS_DUPLICATE, message);
        }
        object.inspect(scan);
    }
    Ok(())
}

/// One object of the config.
struct Object<'a> {
    tree: &'a Tree,
    id: usize,
    source: &'a Source,
    at: u64,
}

impl<'a> Object<'a> {
    fn found(&self, scan: &mut Scan<'_>, rule: &'static Rule, message: String) {
        scan.found(rule, self.source, self.at, message);
    }

    /// Every text that `key` has in this object.
    fn texts(&self, key: &'static str) -> Vec<&'a str> {
        self.tree.get_all(self.id, key).filter_map(|id| self.tree.text(id)).collect()
    }

    /// Every text that `key` has in one of the objects that this object has as its `config`.
    fn inner_texts(&self, key: &'static str) -> Vec<&'a str> {
        let tree = self.tree;
        tree.get_all(self.id, "config").flat_map(|id| tree.get_all(id, key)).filter_map(|id| tree.text(id)).collect()
    }

    fn inspect(&self, scan: &mut Scan<'_>) {
        let classes = self.texts("class_name");
        let modules = self.texts("module");
        let registered = self.texts("registered_name");
        for key in ["function_type", "output_shape_type", "mask_type", "fn_type"] {
            if self.texts(key).contains(&"lambda") {
                self.code(scan, &format!("`{key}` is `lambda`"));
            }
        }
        if classes.is_empty() {
            self.named_function(scan, &modules);
            return;
        }
        for class in &classes {
            // `package>name` is how registered classes are written.
            let bare = class.rsplit(['>', '.']).next().unwrap_or(class);
            self.class(scan, bare, &modules);
            if class.contains(['>', '.']) && modules.is_empty() {
                self.foreign_or_custom(scan, class, None, false);
            }
        }
        for name in &registered {
            let bare = name.rsplit('>').next().unwrap_or(name);
            if names::CARRIES_CODE.contains(&bare) || names::LOADS_OTHERS.contains(&bare) {
                self.class(scan, bare, &modules);
            }
        }
        for module in &modules {
            for class in &classes {
                let function = *class == "function" || *class == "builtin_function_or_method";
                for name in self.imported(class, function) {
                    self.import(scan, module, name, function);
                }
            }
        }
        if modules.is_empty() {
            for class in classes.iter().filter(|class| !class.contains(['>', '.'])) {
                self.unknown_class(scan, class);
            }
        }
        self.operation(scan, &classes);
        self.paths(scan, &classes);
    }

    /// The names that are taken from this object's module: its class, or the functions that it stands for.
    fn imported(&self, class: &'a str, function: bool) -> Vec<&'a str> {
        if !function {
            return vec![class];
        }
        let mut names = self.texts("config");
        for key in ["name", "config", "class_name", "function"] {
            names.extend(self.inner_texts(key));
        }
        if names.is_empty() { vec!["?"] } else { names }
    }

    /// What a class does by itself, wherever it is said to come from.
    fn class(&self, scan: &mut Scan<'_>, class: &str, modules: &[&str]) {
        if class == "__lambda__" {
            self.code(scan, "an object of the class `__lambda__`");
        } else if names::CARRIES_CODE.contains(&class) {
            self.lambda(scan);
        } else if names::LOADS_OTHERS.contains(&class) {
            let from = self.inner_texts("filepath").first().map(|path| format!(" from `{path}`")).unwrap_or_default();
            let message = format!("The layer `{class}` loads a model of another format{from}, which can carry code.");
            self.found(scan, &rules::KERAS_EXTERNAL, message);
        } else if class == "function" && modules.is_empty() {
            for name in self.texts("config").into_iter().filter(|name| names::is_dangerous(name)) {
                let message = format!("The config names the function `{name}`.");
                self.found(scan, &rules::KERAS_CALLABLE, message);
            }
        }
    }

    /// A Lambda layer: bytecode, or the name of a function that somebody else has to have.
    fn lambda(&self, scan: &mut Scan<'_>) {
        let tree = self.tree;
        let functions: Vec<usize> =
            tree.get_all(self.id, "config").flat_map(|id| tree.get_all(id, "function")).collect();
        let plain = |id: &usize| {
            tree.text(*id).is_some() || tree.get_all(*id, "class_name").any(|id| tree.text(id) == Some("function"))
        };
        if !functions.is_empty()
            && functions.iter().all(plain)
            && !self.inner_texts("function_type").contains(&"lambda")
        {
            let name = functions
                .iter()
                .find_map(|id| tree.text(*id).or_else(|| tree.get(*id, "config").and_then(|config| tree.text(config))));
            let message = format!("A Lambda layer calls the function `{}` by name.", name.unwrap_or("?"));
            self.found(scan, &rules::KERAS_CUSTOM, message);
        } else {
            self.code(scan, "a Lambda layer");
        }
    }

    /// Bytecode that loading runs, with the names that it mentions.
    fn code(&self, scan: &mut Scan<'_>, what: &str) {
        let mentions = code::mentioned(self.tree, self.id);
        let mut message = format!("The config carries Python bytecode: {what}.");
        if !mentions.is_empty() {
            message = format!("{message} It mentions `{}`.", mentions.join("`, `"));
        }
        self.found(scan, &rules::KERAS_LAMBDA, message);
    }

    /// `module` and the name of a class or function in it, which loading imports.
    fn import(&self, scan: &mut Scan<'_>, module: &str, name: &str, function: bool) {
        if module == "builtins" {
            return self.builtin(scan, name, function);
        }
        let Some(inside) = names::inside_keras(module) else {
            return self.foreign_or_custom(scan, name, Some(module), function);
        };
        // What begins small is a function, whatever it is said to be.
        let function = function || (is_function_name(name) && !names::is_known_class(name) && !names::special(name));
        if names::is_dangerous(name)
            || (names::reaches_out(inside) && !names::is_known_class(name))
            || (function && (inside == "models" || inside.starts_with("models.")))
        {
            let message = format!("The config names `{module}.{name}`, which reaches files, the network or settings.");
            self.found(scan, &rules::KERAS_CALLABLE, message);
        } else if function && !names::has_functions(inside) {
            let message =
                format!("The config names the function `{module}.{name}`, which no layer, loss or metric is made of.");
            self.found(scan, &rules::KERAS_CUSTOM, message);
        } else if !function && !names::is_known_class(name) && !names::special(name) && !names::is_ordinary(inside) {
            let message =
                format!("The config needs `{module}.{name}`, which is no class that Keras models are made of.");
            self.found(scan, &rules::KERAS_CUSTOM, message);
        }
    }

    /// Keras looks a function of `builtins` up among its own first, and then among Python's.
    fn builtin(&self, scan: &mut Scan<'_>, name: &str, function: bool) {
        match names::builtin(name) {
            Builtin::Harmful => {
                let message = format!("The config takes `{name}` from Python's own functions.");
                self.found(scan, &rules::KERAS_FOREIGN, message);
            }
            _ if names::is_dangerous(name) => {
                let message = format!("The config names the function `{name}`.");
                self.found(scan, &rules::KERAS_CALLABLE, message);
            }
            Builtin::None if !function && !names::is_known_class(name) => {
                self.found(scan, &rules::KERAS_CUSTOM, format!("The config needs the custom class `{name}`."));
            }
            Builtin::None | Builtin::Plain => {}
        }
    }

    fn foreign_or_custom(&self, scan: &mut Scan<'_>, name: &str, module: Option<&str>, function: bool) {
        if let Some(module) = module
            && names::is_foreign(module)
        {
            let message = format!("Loading imports `{module}` and takes `{name}` from it.");
            self.found(scan, &rules::KERAS_FOREIGN, message);
            return;
        }
        let inside = module.and_then(names::inside_trusted);
        if names::is_dangerous(name) || inside.is_some_and(names::reaches_out) {
            let from = module.unwrap_or("a package beside Keras");
            let message =
                format!("The config names `{name}` of `{from}`, which reaches files, the network or other models.");
            self.found(scan, &rules::KERAS_CALLABLE, message);
            return;
        }
        let function = function || is_function_name(name);
        let ordinary = |inside: &str| {
            if function { names::has_functions(inside) } else { names::is_ordinary_of_trusted(inside) }
        };
        let trusted = match module {
            Some(_) => inside.is_some_and(ordinary),
            None => names::TRUSTED_PACKAGES.contains(&name.split(['>', '.']).next().unwrap_or(name)),
        };
        if trusted {
            return;
        }
        if let Some(module) = module {
            scan.facts.imports.insert(module.split('.').next().unwrap_or(module).to_owned());
            let message = format!("Loading imports `{module}` for `{name}`, which is not part of Keras.");
            self.found(scan, &rules::KERAS_CUSTOM, message);
        } else {
            self.found(scan, &rules::KERAS_CUSTOM, format!("The config needs the custom class `{name}`."));
        }
    }

    /// An older config says no module: its classes have to be Keras's own.
    fn unknown_class(&self, scan: &mut Scan<'_>, class: &str) {
        let tree = self.tree;
        let built = tree.get_all(self.id, "config").next().is_some();
        let special =
            names::special(class) || names::CARRIES_CODE.contains(&class) || names::LOADS_OTHERS.contains(&class);
        // Losses and metrics are also written by the names of their functions.
        let function = is_function_name(class) && !names::is_dangerous(class);
        if built && !special && !function && !names::is_known_class(class) {
            self.found(scan, &rules::KERAS_CUSTOM, format!("The config needs the custom class `{class}`."));
        }
    }

    /// A function that is named without being an object of its own, as older Lambda layers do.
    fn named_function(&self, scan: &mut Scan<'_>, modules: &[&str]) {
        let functions = self.texts("function");
        if functions.is_empty() || self.texts("function_type").is_empty() {
            return;
        }
        for module in modules {
            for name in &functions {
                self.import(scan, module, name, true);
            }
        }
    }

    /// A layer that stands for one operation of TensorFlow.
    fn operation(&self, scan: &mut Scan<'_>, classes: &[&str]) {
        if !classes
            .iter()
            .any(|class| matches!(*class, "TFOpLambda" | "SlicingOpLambda" | "TensorFlowOpLayer" | "ClassMethod"))
        {
            return;
        }
        let nodes = self.inner_texts("node_def");
        let called = ["function", "cls_symbol"].into_iter().flat_map(|key| self.inner_texts(key));
        let called = called.map(|name| (name, operations::function(name)));
        let run = nodes.into_iter().filter_map(operations::of_node).map(|name| (name, operations::operation(name)));
        for (name, reach) in called.chain(run) {
            match reach {
                Reach::Nothing => {}
                Reach::Out => {
                    let message = format!("A layer of the config calls the TensorFlow operation `{name}`.");
                    self.found(scan, &rules::KERAS_CALLABLE, message);
                }
                Reach::Unknown => {
                    let message =
                        format!("A layer of the config calls `{name}`, which is no operation that is vouched for.");
                    self.found(scan, &rules::KERAS_CUSTOM, message);
                }
            }
        }
    }

    /// Vocabularies and the like that are read from a path when the layer is built.
    fn paths(&self, scan: &mut Scan<'_>, classes: &[&str]) {
        for key in names::READ_FROM {
            for path in self.inner_texts(key) {
                let always = *key == "vocabulary" && classes.iter().any(|class| names::LOOKUPS.contains(class));
                if always || path.contains('/') || path.contains('\\') || path.contains("://") {
                    scan.facts.references.insert(path.to_owned());
                    let class = classes.first().unwrap_or(&"?");
                    let message = format!("The layer `{class}` reads its `{key}` from `{path}` when it is loaded.");
                    let rule = if names::is_secret(path) { &rules::KERAS_ESCAPE } else { &rules::KERAS_PATH };
                    self.found(scan, rule, message);
                }
            }
        }
    }
}

/// `get_file`, not `GetFile`.
fn is_function_name(name: &str) -> bool {
    name.trim_start_matches('_').starts_with(char::is_lowercase)
}

#[cfg(test)]
mod tests;
