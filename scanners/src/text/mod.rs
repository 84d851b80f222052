//! Files that are text: which kind, and which reader looks at it.
//!
//! Content decides what is text and what is JSON or a page; a name adds what a loader would make of it. Plain text, which no
//! loader runs, is inert. Nothing here judges what a text says.

mod decode;
mod licence;
pub(crate) mod notebook;
pub(crate) mod page;
pub(crate) mod python;
pub(crate) mod scripts;
#[cfg(test)]
mod scripts_tests;
pub(crate) mod secrets;
mod settings;
pub(crate) mod shell;
pub(crate) mod template;
#[cfg(test)]
mod tests;

use crate::{
    configs,
    formats::{Match, Probe, r_script, strict, tensorflow::pbtxt, trees, xml},
    scan::{Scan, Scanned, Stop},
    source::Source,
};

/// What a text is to its loaders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Python,
    Notebook,
    Json,
    Yaml,
    Toml,
    Ini,
    Requirements,
    Docker,
    Protobuf,
    Template,
    Markdown,
    Html,
    Xml,
    Shell,
    /// A script of another language: JavaScript, Perl, Visual Basic and others.
    Script(scripts::Language),
    /// What an assistant takes for its orders.
    Orders,
    /// A recipe for a local server of language models.
    Modelfile,
    /// Lines that Python reads, and runs in part, at every start.
    PythonPaths,
    /// Data in lines, or words for people: nobody runs it.
    Plain,
}

/// Of data larger than the largest text that is read, this much has to look like text.
const LOOK: u64 = 1 << 20;

/// Secrets are looked for in texts that people write, not in vocabularies.
const SECRETS: usize = 4 << 20;

pub(crate) fn recognise(probe: &Probe<'_>) -> Match {
    let cut = probe.len() > probe.head.len() as u64;
    let wide = probe.starts_with(b"\xff\xfe") || probe.starts_with(b"\xfe\xff");
    // The tail can begin in the middle of a letter.
    let tail = probe.tail.iter().position(|byte| byte & 0xc0 != 0x80).and_then(|from| probe.tail.get(from..));
    let ends = wide || !cut || decode::looks_like_text(tail.unwrap_or_default(), false);
    if decode::looks_like_text(&probe.head, cut) && ends { Match::Content } else { Match::No }
}

/// Whether the reader of texts reads all of this.
pub(crate) fn is_text(bytes: &[u8]) -> bool {
    decode::looks_like_text(bytes, false) && decode::text(bytes).is_ok()
}

pub(crate) fn inspect(scan: &mut Scan<'_>, source: &Source) -> Scanned<()> {
    let name = source.file_name().to_ascii_lowercase();
    let by_name = kind_of(&name, source.name());
    if source.len() > scan.limits.text_bytes && matches!(by_name, None | Some(Kind::Plain)) {
        // No loader runs lines of data or words: of a file this large a look has to do, and the rest is not fetched.
        let head = source.read_up_to(0, LOOK)?;
        if !decode::looks_like_text(&head, true) {
            return Err(Stop::broken(0, "it begins as text and goes on as something else"));
        }
        scan.inert(source, 0..source.len());
        return Ok(());
    }
    let bytes = source.read_all(scan.limits.text_bytes)?;
    scan.steps(bytes.len() as u64 / 16)?;
    let text = match decode::text(&bytes) {
        Ok(text) => text,
        Err(_) if by_name == Some(Kind::Python) => return python::nul::inspect(scan, source),
        Err(at) => {
            strict::behind_text(scan, source)?;
            scan.unsupported(source, format!("it is text up to byte {at}, and then something that no reader knows"));
            return Ok(());
        }
    };
    let half = decode::ends_in_half_a_letter(&bytes);
    if half {
        scan.left_out(source, "the text ends with half a letter");
    }
    let source = &source.part(0..source.len() - u64::from(half));
    let kind = by_name.or_else(|| kind_by_content(&text)).unwrap_or(Kind::Plain);
    if text.len() <= SECRETS && !matches!(name.as_str(), "tokenizer.json" | "vocab.json" | "vocab.txt" | "merges.txt") {
        secrets::inspect(scan, source, &text)?;
    }
    if matches!(kind, Kind::Plain | Kind::Markdown) {
        licence::note(scan, &name, &text);
    }
    read_as(scan, source, kind, &text)
}

fn read_as(scan: &mut Scan<'_>, source: &Source, kind: Kind, text: &str) -> Scanned<()> {
    let name = match kind {
        Kind::Python => "python",
        Kind::Notebook => "notebook",
        Kind::Json => "json",
        Kind::Yaml => "yaml",
        Kind::Toml => "toml",
        Kind::Ini => "ini",
        Kind::Requirements => "requirements",
        Kind::Docker => "dockerfile",
        Kind::Protobuf => "protobuf text",
        Kind::Template => "jinja",
        Kind::Markdown | Kind::Orders => "markdown",
        Kind::Html => "html",
        Kind::Xml => "xml",
        Kind::Shell | Kind::Script(_) => "script",
        Kind::Modelfile => "modelfile",
        Kind::PythonPaths => "python paths",
        Kind::Plain => "text",
    };
    scan.is_unless_named(name);
    match kind {
        Kind::Python => python::inspect(scan, source, 0, text)?,
        Kind::Notebook => notebook::inspect(scan, source, text)?,
        Kind::Json => return configs::json(scan, source, text),
        Kind::Yaml => configs::yaml(scan, source, text)?,
        Kind::Toml => configs::toml(scan, source, text)?,
        Kind::Ini => configs::ini(scan, source, text)?,
        Kind::Requirements => configs::requirements(scan, source, text)?,
        Kind::Docker => configs::docker(scan, source, text)?,
        Kind::Protobuf if pbtxt::recognise(text) => pbtxt::inspect(scan, source, text)?,
        Kind::Protobuf => configs::protobuf(scan, source, text)?,
        Kind::Template => template::inspect(scan, source, 0, source.file_name(), text)?,
        Kind::Markdown => {
            configs::front_matter(scan, source, text)?;
            page::markdown(scan, source, text)?;
        }
        Kind::Html => {
            xml::drawing(scan, source, text)?;
            page::html(scan, source, text)?;
        }
        Kind::Xml => {
            xml::inspect(scan, source, text)?;
            page::html(scan, source, text)?;
        }
        Kind::Shell => shell::inspect(scan, source, text)?,
        Kind::Script(language) => scripts::inspect(scan, source, language, text)?,
        Kind::Orders => {
            configs::front_matter(scan, source, text)?;
            page::markdown(scan, source, text)?;
            settings::orders(scan, source, text)?;
        }
        Kind::Modelfile => settings::modelfile(scan, source, text)?,
        Kind::PythonPaths => settings::python_paths(scan, source, text)?,
        Kind::Plain if pbtxt::is_state(source, text) => return pbtxt::state(scan, source, text),
        Kind::Plain if r_script::is(source.file_name()) => return r_script::inspect(scan, source, text),
        Kind::Plain if trees::is_lightgbm(text) => return trees::lightgbm(scan, source, text),
        Kind::Plain => {
            scripts::without_a_name(scan, source, text)?;
            settings::table(scan, source, text)?;
            scan.inert(source, 0..source.len());
            return Ok(());
        }
    }
    scan.inspected(source, 0..source.len());
    Ok(())
}

/// What a loader takes a file of this name for; nothing where the name says nothing. Both names are given: without folders
/// in lower case, and with them.
fn kind_of(name: &str, path: &str) -> Option<Kind> {
    let (stem, end) = name.rsplit_once('.').unwrap_or((name, ""));
    if name.starts_with("dockerfile") || end == "dockerfile" || name == "containerfile" {
        return Some(Kind::Docker);
    }
    if stem.starts_with("chat_template") && !matches!(end, "json" | "yaml" | "yml" | "md" | "py") {
        return Some(Kind::Template);
    }
    let dependencies = stem.contains("requirement") || stem.starts_with("constraint");
    if matches!(end, "txt" | "in" | "pip") && (dependencies || path.contains("requirements/")) {
        return Some(Kind::Requirements);
    }
    if let Some(language) = scripts::Language::of(name) {
        return Some(Kind::Script(language));
    }
    if settings::is_orders(name, path) {
        return Some(Kind::Orders);
    }
    Some(match name {
        "modelfile" => return Some(Kind::Modelfile),
        ".envrc" | ".bashrc" | ".bash_profile" | ".bash_aliases" | ".bash_login" | ".profile" | ".zshrc"
        | ".zshenv" | ".zprofile" | ".kshrc" | ".xprofile" | ".xinitrc" => return Some(Kind::Shell),
        ".zarray" | ".zattrs" | ".zgroup" | ".zmetadata" => return Some(Kind::Json),
        "mlmodel" | ".condarc" | "conda-env" => return Some(Kind::Yaml),
        "pipfile" | "uv.lock" | "poetry.lock" => return Some(Kind::Toml),
        ".gitmodules" | "pip.conf" | ".npmrc" | ".pypirc" | ".gitconfig" => return Some(Kind::Ini),
        _ => match end {
            "pth" => Kind::PythonPaths,
            "modelfile" => Kind::Modelfile,
            "py" | "pyw" | "pyi" | "pyx" => Kind::Python,
            "ipynb" => Kind::Notebook,
            "json" | "json5" | "jsonc" | "webmanifest" => Kind::Json,
            "yaml" | "yml" => Kind::Yaml,
            "toml" => Kind::Toml,
            "cfg" | "ini" | "conf" | "properties" => Kind::Ini,
            "pbtxt" | "prototxt" | "textproto" => Kind::Protobuf,
            "jinja" | "jinja2" | "j2" => Kind::Template,
            "md" | "markdown" | "mdx" => Kind::Markdown,
            "html" | "htm" | "xhtml" | "svg" => Kind::Html,
            "xml" | "xsl" | "xslt" | "pmml" | "rss" | "plist" => Kind::Xml,
            "sh" | "bash" | "zsh" | "ksh" | "fish" | "csh" | "command" | "bat" | "cmd" | "ps1" | "psm1" | "psd1"
            | "sbatch" | "slurm" => Kind::Shell,
            _ => return None,
        },
    })
}

/// What the text itself says, where its name says nothing.
fn kind_by_content(text: &str) -> Option<Kind> {
    let start = text.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']);
    let lead: String = start.chars().take(200).collect::<String>().to_ascii_lowercase();
    if let Some(line) = lead.strip_prefix("#!").and_then(|rest| rest.lines().next()) {
        if line.contains("python") {
            return Some(Kind::Python);
        }
        return Some(scripts::Language::of_line(line).map_or(Kind::Shell, Kind::Script));
    }
    if ["<!doctype html", "<html", "<svg", "<script", "<body", "<iframe"].iter().any(|tag| lead.starts_with(tag)) {
        return Some(Kind::Html);
    }
    if lead.starts_with("<?xml") || lead.starts_with("<!doctype") || lead.starts_with("<!entity") {
        return Some(Kind::Xml);
    }
    // `[PAD]` begins a vocabulary; whether brackets are JSON shows when they are read.
    (lead.starts_with('{') || lead.starts_with('[')).then_some(Kind::Json).filter(|_| configs::is_json(text))
}
