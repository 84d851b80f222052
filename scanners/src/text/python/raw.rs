//! Words in text that no parser of Python 3 reads: Python 2, templates, torn files. Less than a walk, more than nothing.

/// Each names something that ordinary model code does not need.
#[rustfmt::skip]
const WORDS: &[&str] = &[
    "os.system", "os.popen", "os.exec", "os.spawn", "subprocess", "pty.spawn", "socket.socket", "__import__(", "importlib.import_module(",
    "exec(", "exec ", "execfile(", "eval(", "compile(", "marshal.loads", "b64decode", "fromhex(", "ctypes", "urlopen(", "urlretrieve(",
    "requests.post(", "requests.get(", "pickle.loads", "/bin/sh", "/bin/bash", "__builtins__", "__subclasses__", "__globals__", ".ssh/",
    "commands.getoutput", "smtplib", "httplib", "/dev/tcp/",
];

/// The words that the text holds outside of comments, each once.
pub(super) fn telling(text: &str) -> Vec<&'static str> {
    let mut found: Vec<&'static str> = Vec::new();
    for line in text.lines() {
        let code = line.trim_start();
        if code.starts_with('#') {
            continue;
        }
        for word in WORDS {
            if found.contains(word) {
                continue;
            }
            // `model.eval(` and `re.compile(` are other functions.
            let whole = code.match_indices(word).any(|(at, _)| {
                let before = code.get(..at).and_then(|before| before.chars().next_back());
                !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '.')
            });
            if whole {
                found.push(word);
            }
        }
    }
    found
}
