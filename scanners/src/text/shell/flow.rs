//! Where the commands of a text come from that it runs: downloads and decoded texts that flow into shells, through pipes,
//! substitutions and files. Nothing is run.

use super::{
    addresses::{self, Fetched},
    leaks, persist,
    programs::{self, From, Runs, base, started},
    words::{self, Input, Parsed, Simple, Word},
};

/// What harms in a text, and where.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Flow {
    pub(super) at: usize,
    pub(super) what: What,
}

/// What is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// What was downloaded, from where anybody could have put it.
    Downloaded,
    /// The same, from an address without protection.
    Unprotected,
    /// What was decoded.
    Decoded,
    /// Nothing, but it sends what is secret.
    Secret,
    /// Something whose name is only known where it runs.
    Hidden,
    /// A tool whose makers say that it is installed in this way.
    Installer,
    /// A key that lets somebody else log in.
    Key,
    /// A table of what is run again and again.
    Table,
    /// What was downloaded or decoded, put where a shell begins.
    Start,
    /// Commands within commands, deeper than they are followed.
    TooDeep,
    /// More commands within commands than are followed.
    TooMany,
}

impl What {
    /// What it comes to, in words; nothing where it is how a tool is installed.
    pub(super) fn how(self) -> Option<&'static str> {
        Some(match self {
            What::Downloaded => super::RUNS_DOWNLOADED,
            What::Unprotected => super::RUNS_UNPROTECTED,
            What::Decoded => "decodes text and runs it",
            What::Hidden => "hides which program it starts",
            What::Key => "lets somebody else log in",
            What::Table => "makes a command run again and again",
            What::Secret => "sends credentials to somebody else",
            What::Start => "makes a command run at every start",
            What::TooDeep | What::TooMany => "hides its commands in commands within commands",
            What::Installer => return None,
        })
    }
}

/// What the output of a command holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Holds {
    fetched: Option<Fetched>,
    decoded: bool,
    secret: bool,
}

impl Holds {
    fn with(self, other: Self) -> Self {
        let fetched = match (self.fetched, other.fetched) {
            (Some(a), Some(b)) => Some(a.max(b)),
            (a, b) => a.or(b),
        };
        Self { fetched, decoded: self.decoded || other.decoded, secret: self.secret || other.secret }
    }

    /// What running it comes to.
    fn run(self) -> Option<What> {
        match (self.decoded, self.fetched) {
            (_, Some(Fetched::Unprotected)) => Some(What::Unprotected),
            (true, _) => Some(What::Decoded),
            (false, Some(Fetched::Installer)) => Some(What::Installer),
            (false, Some(Fetched::Somewhere)) => Some(What::Downloaded),
            (false, None) => None,
        }
    }
}

/// Looks through a text of commands; what is found, and its words without what hides them.
pub(super) fn look(text: &str) -> (Vec<Flow>, String) {
    let parsed = words::parse(text, programs::programs);
    let mut look = Look { output: outputs(&parsed), parsed: &parsed, files: Vec::new(), found: Vec::new() };
    look.all();
    for what in [parsed.deep.then_some(What::TooDeep), parsed.many.then_some(What::TooMany)].into_iter().flatten() {
        look.found.push(Flow { at: 0, what });
    }
    look.found.dedup();
    (look.found, parsed.flat())
}

/// What each text puts out. Texts within texts come later, so that going backwards all that a text needs is known.
fn outputs(parsed: &Parsed) -> Vec<Holds> {
    let mut output = vec![Holds::default(); parsed.texts.len()];
    for (number, text) in parsed.texts.iter().enumerate().rev() {
        let all = text.commands.iter().map(|simple| own(simple, &output));
        let all = all.fold(Holds::default(), Holds::with);
        if let Some(place) = output.get_mut(number) {
            *place = all;
        }
    }
    output
}

/// What a command puts out by itself, with what the texts in it put out.
fn own(simple: &Simple, output: &[Holds]) -> Holds {
    let (name, args) = started(simple);
    let inner = simple.inner.iter().filter_map(|id| output.get(*id)).copied().fold(Holds::default(), Holds::with);
    Holds { fetched: addresses::fetched(&name, args), decoded: decodes(&name, args), secret: leaks::reads(&name, args) }
        .with(inner)
}

fn decodes(name: &str, args: &[Word]) -> bool {
    let option = |letters: &[char], long: &str| {
        args.iter().any(|word| {
            let short = word.text.strip_prefix('-').filter(|rest| !rest.starts_with('-'));
            short.is_some_and(|rest| rest.contains(letters)) || word.text.starts_with(long)
        })
    };
    match name {
        "base64" | "base32" | "basenc" | "gbase64" => option(&['d', 'D'], "--d"),
        "xxd" => option(&['r'], "--r"),
        "openssl" => option(&['d'], "--d") && args.iter().any(|word| matches!(word.text.as_str(), "base64" | "enc")),
        "rev" | "uudecode" | "gpg" => true,
        // What stands behind the end of a script.
        "tail" | "sed" | "awk" | "dd" => args.iter().any(|word| matches!(word.text.as_str(), "$0" | "if=$0" | "${0}")),
        // Letters for other letters: `tr a-z n-za-m`.
        "tr" => args.len() == 2 && args.iter().all(|word| word.text.rfind('-') > Some(0)) && !folds(args),
        _ => false,
    }
}

/// `tr A-Z a-z`
fn folds(args: &[Word]) -> bool {
    args.iter().all(|word| matches!(word.text.trim_matches(['[', ']']), "A-Z" | "a-z" | ":upper:" | ":lower:"))
}

struct Look<'a> {
    parsed: &'a Parsed,
    output: Vec<Holds>,
    /// Files that were written, and what they hold.
    files: Vec<(String, Holds)>,
    found: Vec<Flow>,
}

impl Look<'_> {
    fn all(&mut self) {
        // What flows into each text; texts within texts come later.
        let mut input = vec![Holds::default(); self.parsed.texts.len()];
        for (number, text) in self.parsed.texts.iter().enumerate() {
            let given = input.get(number).copied().unwrap_or_default();
            let mut holds: Vec<Holds> = Vec::with_capacity(text.commands.len());
            for (place, simple) in text.commands.iter().enumerate() {
                let feed = self.feed(simple, &holds, given);
                for id in &simple.inner {
                    if let Some(input) = input.get_mut(*id) {
                        *input = input.with(feed);
                    }
                }
                let at = self.place(number, place);
                let out = own(simple, &self.output).with(feed);
                let stays = persist::weigh(text, simple, out != Holds::default());
                let leaves = self.leaves(simple, feed).then_some(What::Secret);
                for what in self.weigh(number, simple, feed).into_iter().chain(stays).chain(leaves) {
                    if self.found.len() < 100 {
                        self.found.push(Flow { at, what });
                    }
                }
                self.write(simple, out);
                holds.push(out);
            }
        }
    }

    /// Where in the outermost text this command stands.
    fn place(&self, mut number: usize, mut place: usize) -> usize {
        while let Some((outer, command)) = self.parsed.texts.get(number).and_then(|text| text.of) {
            (number, place) = (outer, command);
        }
        self.parsed.texts.get(number).and_then(|text| text.commands.get(place)).map_or(0, |simple| simple.at)
    }

    /// What flows into a command. What a pipe's earlier commands read is in what they put out.
    fn feed(&self, simple: &Simple, holds: &[Holds], given: Holds) -> Holds {
        let piped = simple.feed.clone().map(|range| {
            // The commands of one pipe hold what those before them hold: the last says it all, unless it is a group.
            let from = range.start.max(range.end.saturating_sub(64));
            holds.get(from..range.end).unwrap_or_default().iter().copied().fold(Holds::default(), Holds::with)
        });
        let file = match &simple.input {
            Some(Input::File(word)) => self.of_word(word).with(self.of_file(&word.text)),
            _ => Holds::default(),
        };
        match (piped, &simple.input) {
            (Some(piped), _) => piped.with(file),
            (None, Some(_)) => file,
            (None, None) => given,
        }
    }

    fn of_word(&self, word: &Word) -> Holds {
        word.inner.iter().filter_map(|id| self.output.get(*id)).copied().fold(Holds::default(), Holds::with)
    }

    fn of_file(&self, name: &str) -> Holds {
        let name = file_name(name);
        self.files.iter().rev().find(|(known, _)| known == name).map(|(_, holds)| *holds).unwrap_or_default()
    }

    fn write(&mut self, simple: &Simple, out: Holds) {
        if out == Holds::default() {
            return;
        }
        let (name, args) = started(simple);
        let mut names: Vec<String> = simple.writes.clone();
        names.extend(addresses::written(&name, args));
        names.extend(leaks::packed(&name, args));
        if name == "tee" {
            names.extend(args.iter().filter(|word| !word.text.starts_with('-')).map(|word| word.text.clone()));
        }
        for name in
            names.iter().map(|name| file_name(name)).filter(|name| !matches!(*name, "" | "null" | "stdout" | "stderr"))
        {
            if self.files.len() < 1000 {
                self.files.push((name.to_owned(), out));
            }
        }
    }

    /// Whether a command sends what is secret.
    fn leaves(&self, simple: &Simple, feed: Holds) -> bool {
        let (name, args) = started(simple);
        let file = |word: &Word| {
            let name = word.text.rsplit(['@', '=', '<']).next().unwrap_or_default();
            !name.is_empty() && self.of_file(name).secret
        };
        let taken = leaks::taken(&name, args);
        feed.secret && leaks::sends_input(&name, args)
            || taken.iter().any(|word| self.of_word(word).secret || file(word))
    }

    /// What a command runs that was not in the text.
    fn weigh(&self, number: usize, simple: &Simple, feed: Holds) -> Option<What> {
        let text = self.parsed.texts.get(number)?;
        let (name, args) = started(simple);
        let first = simple.words.iter().find(|word| base(&word.text) == name);
        if let Some(first) = first {
            // `$(curl …)` and `./fetched` where a command begins.
            let output = first.text.starts_with("$(").then(|| self.of_word(first).run()).flatten();
            let program = first.text.contains('/')
                || [".exe", ".bat", ".cmd", ".ps1"].iter().any(|end| first.text.ends_with(end));
            let file = program.then(|| self.of_file(&first.text).run()).flatten();
            let output = output.or_else(|| self.passed(first, feed).filter(|_| first.text.starts_with("$(")));
            if let Some(what) = output.or(file) {
                return Some(what);
            }
            if first.pattern && hides(&first.text) {
                return Some(What::Hidden);
            }
        }
        let kind = programs::runs(&name)?;
        if kind == Runs::Words {
            // `iex (irm …)`: what stands in brackets is no command of a shell's.
            if let Some(what) = args.iter().find_map(|word| self.passed(word, feed)) {
                return Some(what);
            }
            let bracketed = text.commands.iter().filter(|_| name != "eval").map(|simple| own(simple, &self.output));
            return bracketed.fold(Holds::default(), Holds::with).run();
        }
        let each = programs::is_for_each(simple);
        match programs::from(&name, kind, args) {
            From::Input => {
                let echoed = programs::echoed(text, simple);
                let hidden = echoed.as_ref().is_some_and(|(_, escapes)| *escapes > 3);
                let given = match &simple.input {
                    Some(Input::Text(text)) => Some(text),
                    _ => echoed.as_ref().map(|(text, _)| text),
                };
                let given = given.filter(|_| kind == Runs::Language).and_then(|text| said(text));
                feed.run().or(hidden.then_some(What::Decoded)).or(given)
            }
            From::File(word) => {
                self.of_word(word).with(self.of_file(&word.text)).run().or_else(|| self.passed(word, feed))
            }
            From::Said(word)
                if each && ["{}", "$@", "$0", "$1", "$*"].iter().any(|whole| word.text.starts_with(whole)) =>
            {
                feed.run()
            }
            From::Said(word) if kind == Runs::Language => {
                // `python -c "$(curl …)"`, and Python that downloads by itself.
                let read = word.text.contains("stdin") && (word.text.contains("exec(") || word.text.contains("eval("));
                self.of_word(word).run().or_else(|| said(&word.text)).or_else(|| feed.run().filter(|_| read))
            }
            From::Said(word) => self.passed(word, feed),
            From::Own => None,
        }
    }

    /// What flows through a text in a word: `bash -c "$(cat)"`.
    fn passed(&self, word: &Word, feed: Holds) -> Option<What> {
        let passes = word.inner.iter().filter_map(|id| self.parsed.texts.get(*id)).any(programs::passes);
        feed.run().filter(|_| passes)
    }
}

/// What a line of Python or Perl does that stands in a command.
fn said(text: &str) -> Option<What> {
    let lower = text.to_lowercase();
    let any = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    let runs = any(&["exec(", "eval(", "eval ", "os.system(", "subprocess", "system(", "runpy", "popen("]);
    if runs && any(&["urlopen", "urlretrieve", "requests.get", "lwp::simple", "http.get", "net/http", "open-uri"]) {
        return Some(if lower.contains("http://") { What::Unprotected } else { What::Downloaded });
    }
    (runs && any(&["b64decode", "decode_base64", "fromhex", "unhexlify", "base64,", "'base64'", "\"base64\""]))
        .then_some(What::Decoded)
}

/// `/bin/c?rl`, `/???/b??h`: programs of the system have names.
fn hides(word: &str) -> bool {
    let folders = ["/bin/", "/usr/bin/", "/sbin/", "/usr/sbin/", "/???/", "/?in/", "/b?n/", "/bi?/", "/usr/???/"];
    let path = |c: char| c.is_ascii_alphanumeric() || "/?*[]._-".contains(c);
    folders.iter().any(|folder| word.starts_with(folder)) && word.chars().all(path) && !word.ends_with('/')
}

fn file_name(path: &str) -> &str {
    path.trim_matches(['"', '\'']).rsplit(['/', '\\']).next().unwrap_or(path)
}
