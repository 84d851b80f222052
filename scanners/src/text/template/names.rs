//! What chat templates have: the filters, tests, functions and methods that real ones use, and the names by which others
//! reach into Python.

/// Functions that Jinja has, or that servers give to templates.
pub(crate) const FUNCTIONS: &[&str] = &[
    "range", "dict", "namespace", "cycler", "joiner", "caller", "loop", "super", "raise_exception", "raise_error", "raise",
    "strftime_now", "strftime", "now", "tojson", "to_json", "from_json", "fromjson", "len", "str", "int", "float", "bool",
    "list", "tuple", "set", "sorted", "min", "max", "sum", "abs", "zip", "enumerate", "round", "reversed", "any", "all",
    "_", "gettext", "ngettext", "uuid4", "random_id", "get_current_date", "lipsum", "isinstance", "string", "trim",
    "length", "join", "date_string", "today",
];

pub(crate) const FILTERS: &[&str] = &[
    "abs", "attr", "batch", "capitalize", "center", "count", "d", "default", "dictsort", "e", "escape", "filesizeformat",
    "first", "float", "forceescape", "format", "groupby", "indent", "int", "items", "join", "last", "length", "list",
    "lower", "map", "max", "min", "pprint", "random", "reject", "rejectattr", "replace", "reverse", "round", "safe",
    "select", "selectattr", "slice", "sort", "string", "striptags", "sum", "title", "tojson", "trim", "truncate", "unique",
    "upper", "urlencode", "urlize", "wordcount", "wordwrap", "xmlattr", "from_json", "fromjson", "to_json", "json", "dict",
    "str", "bool", "keys", "values", "split", "strip", "rstrip", "lstrip", "startswith", "endswith", "regex_replace",
    "regex_search", "regex_match", "zip", "lines", "strftime", "raise_exception", "chain", "bool", "ends_with",
    "starts_with", "contains", "ternary", "to_yaml", "b64encode", "combine", "flatten", "tuple", "set", "object", "pairs",
    "chars", "trim_start", "trim_end", "loads", "dumps", "fromyaml", "yaml",
];

pub(crate) const TESTS: &[&str] = &[
    "boolean", "callable", "defined", "divisibleby", "eq", "equalto", "escaped", "even", "false", "filter", "float", "ge",
    "greaterthan", "gt", "in", "integer", "iterable", "le", "lessthan", "lower", "lt", "mapping", "ne", "none", "None",
    "number", "odd", "sameas", "sequence", "string", "test", "true", "undefined", "upper", "containing", "startingwith",
    "endingwith", "dict", "list", "array", "object", "null", "contains", "startswith", "endswith", "True", "False", "safe",
    "empty", "notempty", "notequalto", "match", "search", "int", "bool", "str", "tuple", "set",
];

pub(crate) const METHODS: &[&str] = &[
    "strip", "lstrip", "rstrip", "split", "rsplit", "splitlines", "startswith", "endswith", "replace", "lower", "upper",
    "title", "capitalize", "format", "format_map", "join", "find", "rfind", "index", "rindex", "count", "isdigit",
    "isalpha", "isalnum", "isspace", "isupper", "islower", "isnumeric", "isdecimal", "istitle", "isidentifier", "isascii",
    "removeprefix", "removesuffix", "partition", "rpartition", "zfill", "ljust", "rjust", "center", "swapcase", "casefold",
    "expandtabs", "encode", "decode", "translate", "items", "keys", "values", "get", "update", "pop", "popitem",
    "setdefault", "copy", "clear", "fromkeys", "append", "extend", "insert", "remove", "sort", "reverse", "add",
    "discard", "union", "intersection", "difference", "issubset", "issuperset", "cycle", "changed", "next", "reset",
    "strftime", "isoformat", "is_integer", "bit_length", "hex", "trim", "length", "contains", "includes", "push",
    "toString", "tojson", "to_dict", "dict", "model_dump", "json",
];

/// Attributes of Python objects that lead to code, besides everything with two underscores.
pub(crate) const INNER: &[&str] = &[
    "mro", "subclasses", "func_globals", "func_code", "func_closure", "im_func", "im_self", "im_class", "gi_frame",
    "gi_code", "gi_yieldfrom", "cr_frame", "cr_code", "cr_await", "ag_frame", "ag_code", "f_globals", "f_locals",
    "f_builtins", "f_back", "f_code", "tb_frame", "tb_next", "co_code", "co_consts",
];

/// Methods that run things; as keys of a dictionary they are ordinary words.
pub(crate) const RUNNING: &[&str] = &[
    "popen", "system", "get_data", "load_module", "exec_module", "import_module", "check_output", "spawn", "eval", "exec",
    "subclasses", "Popen",
];

/// Calls that mean Python is at hand.
pub(crate) const PYTHON: &[&str] = &[
    "eval", "exec", "open", "compile", "getattr", "setattr", "delattr", "globals", "locals", "vars", "dir", "type", "object",
    "import_module", "system", "popen", "breakpoint", "input", "url_for", "get_flashed_messages",
];

/// Whether reading an attribute of this name reaches into Python.
pub(crate) fn reaches(name: &str) -> bool {
    name.contains("__") || INNER.contains(&name)
}

/// Whether a piece of a name could become one that reaches into Python.
pub(crate) fn could_become(piece: &str) -> bool {
    piece.contains('_')
        || ["class", "ssalc", "glob", "subcl", "mro", "builtins", "import", "init", "popen", "base", "getitem", "dict", "func", "eval", "exec"]
            .iter()
            .any(|part| piece.to_ascii_lowercase().contains(part))
}
