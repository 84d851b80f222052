//! What code changes for all other code: functions of libraries that it replaces, how objects pickle, settings of downloads.

use std::rc::Rc;

use ruff_python_ast::Expr;
use ruff_text_size::Ranged as _;

use super::{
    names,
    names::Deed,
    value::{Args, Taint, Value, What},
    walk::Walk,
};
use crate::rules;

/// Modules whose functions carry what goes over the network, or decide whom to trust.
const CARRIERS: &[&str] = &[
    "requests.",
    "urllib3.",
    "httpx.",
    "aiohttp.",
    "http.client.",
    "urllib.request.",
    "socket.",
    "ssl.",
    "huggingface_hub.",
];
/// Functions on whose care other code relies.
#[rustfmt::skip]
const LOADERS: &[&str] = &[
    "torch.load", "torch.serialization.load", "numpy.load", "pickle.load", "pickle.loads", "pickle.Unpickler", "joblib.load", "yaml.load",
    "yaml.safe_load", "safetensors.torch.load_file", "safetensors.safe_open", "ssl._create_default_https_context", "hmac.compare_digest",
    "transformers.dynamic_module_utils.resolve_trust_remote_code", "transformers.utils.import_utils.check_torch_load_is_safe",
    "huggingface_hub.constants.ENDPOINT", "huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", "requests.Session.verify",
    "builtins.__import__", "builtins.open", "importlib.import_module", "torch.hub._validate_not_a_forked_repo",
];
/// What the interpreter calls by itself.
const HOOKS: &[&str] = &["sys.", "builtins.", "threading.", "warnings.", "logging.", "asyncio.", "gc.", "atexit."];
/// Variables that send downloads elsewhere, load libraries into programs or switch checks off, in capitals.
#[rustfmt::skip]
const SETTINGS: &[&str] = &[
    "HF_ENDPOINT", "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_TRUSTED_HOST", "UV_INDEX_URL", "UV_DEFAULT_INDEX", "HTTP_PROXY",
    "HTTPS_PROXY", "ALL_PROXY", "HF_HUB_DISABLE_SSL", "PYTHONHTTPSVERIFY", "LD_PRELOAD", "DYLD_INSERT_LIBRARIES", "PYTHONSTARTUP",
    "PYTHONBREAKPOINT", "HF_DATASETS_TRUST_REMOTE_CODE", "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "GIT_SSH_COMMAND", "GIT_SSL_NO_VERIFY",
    "BASH_ENV", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "NODE_OPTIONS", "PERL5OPT", "GIT_ASKPASS", "SSH_ASKPASS",
];

impl<'a> Walk<'a> {
    /// `on.name = value`.
    pub(super) fn weigh_change(&mut self, on: &Value, name: &str, value: &Value, at: u32) {
        if name == "__code__" {
            self.note(&rules::PYTHON_TAMPERING, "puts other bytecode in the place of a function's own", at);
        }
        if let ("__reduce__" | "__reduce_ex__", What::Function(..)) = (name, &value.what) {
            self.weigh_pickling(value, at);
        }
        self.weigh_reducer(name, value, at);
        if name.starts_with("__")
            && name.ends_with("__")
            && let Some(weapon) = value.as_path().filter(|path| names::is_weapon(path))
        {
            self.note(&rules::PYTHON_TAMPERING, format!("makes `{weapon}` what an object's `{name}` does"), at);
        }
        let Some(module) = on.as_path().filter(|path| !path.contains("()")) else { return };
        let target = names::canonical(&format!("{module}.{name}"));
        // Putting back what was there is no change.
        if value.as_path() == Some(target.as_str()) {
            return;
        }
        if let Some(weapon) = value.as_path().filter(|path| names::is_weapon(path)) {
            let hook = HOOKS.iter().any(|hook| target.starts_with(hook));
            let rule = if hook { &rules::PYTHON_ATTACK } else { &rules::PYTHON_TAMPERING };
            self.note(rule, format!("puts `{weapon}` in the place of `{target}`, which other code calls"), at);
            return;
        }
        let callable = matches!(
            value.what,
            What::Function(..) | What::Lambda(_) | What::Partial(_) | What::Getter(..) | What::Path(_) | What::Class(_)
        );
        let carries = CARRIERS.iter().any(|carrier| target.starts_with(carrier)) && callable;
        let acts = callable
            && matches!(
                names::deed(&target),
                Some(Deed::Fetch | Deed::Send | Deed::Connect | Deed::Run | Deed::Execute | Deed::Unpickle)
            );
        let loads = LOADERS.contains(&target.as_str()) || callable && name == "from_pretrained";
        if self.at_import() && (carries || acts || loads) || acts && self.is_in_model() {
            let message = format!("puts something else in the place of `{target}`, on which other code relies");
            self.note(&rules::PYTHON_TAMPERING, message, at);
        }
    }

    /// `on[place] = value`.
    pub(super) fn weigh_entry(&mut self, on: &Value, place: &Value, value: &Value, at: u32) {
        match on.as_path() {
            Some("os.environ" | "os.environb") => self.weigh_setting(place, value, at),
            Some(path) if path.ends_with("dispatch_table") => self.weigh_pickling(value, at),
            Some(path) if path.ends_with("__dict__") => {
                let module = Value::path(path.trim_end_matches("__dict__").trim_end_matches('.'));
                if let Some(name) = place.as_text() {
                    self.weigh_change(&module, name, value, at);
                }
            }
            _ => {}
        }
    }

    fn weigh_setting(&mut self, name: &Value, value: &Value, at: u32) {
        let Some(name) = name.as_text().map(str::to_owned) else { return };
        if !self.at_import() || !SETTINGS.contains(&name.to_ascii_uppercase().as_str()) {
            return;
        }
        // Its own place is where the hub is anyway.
        if value.as_text().is_some_and(|value| value.starts_with("https://huggingface.co")) {
            return;
        }
        let message = format!("sets `{name}`, which decides for all other code what it fetches, trusts or loads");
        self.note(&rules::PYTHON_TAMPERING, message, at);
    }

    /// A class is given, by a name instead of a definition, what says how its objects pickle.
    pub(super) fn weigh_reducer(&mut self, name: &str, value: &Value, at: u32) {
        if matches!(name, "__reduce__" | "__reduce_ex__" | "reducer_override")
            && matches!(value.what, What::Lambda(_) | What::Partial(_) | What::Path(_))
        {
            self.weigh_pickling(value, at);
        }
    }

    fn weigh_pickling(&mut self, reducer: &Value, at: u32) {
        let returns = self.as_called(|walk| walk.call(reducer, &Args::default(), at));
        self.reduced(&returns, at);
    }

    /// Functions that change settings or how objects pickle, and loaders.
    pub(super) fn changing(&mut self, path: &str, args: &Args, at: u32) -> Option<Value> {
        match path {
            "copyreg.pickle" | "copy_reg.pickle" => self.weigh_pickling(&args.at(1), at),
            "os.putenv" | "os.environ.setdefault" => self.weigh_setting(&args.at(0), &args.at(1), at),
            "os.environ.update" => {
                if let What::Dict(items) = &args.at(0).what {
                    for (name, value) in items.iter().take(256) {
                        self.weigh_setting(name, value, at);
                    }
                }
                for (name, value) in &args.named {
                    self.weigh_setting(&Value::text(name), value, at);
                }
            }
            "copyreg.add_extension" | "copy_reg.add_extension" => {
                let name = format!("{}.{}", args.at(0).shown(), args.at(1).shown());
                self.note(&rules::PYTHON_TAMPERING, format!("lets pickles name `{name}` by a number alone"), at);
            }
            "torch.serialization.add_safe_globals" | "torch.serialization.safe_globals" => {
                let listed = args.at(0).items().unwrap_or_default();
                for trusted in listed.iter().filter_map(Value::as_path).filter(|path| names::is_weapon(path)) {
                    self.note(&rules::PYTHON_TAMPERING, format!("makes torch trust `{trusted}` in checkpoints"), at);
                }
            }
            "sys.meta_path.insert" | "sys.meta_path.append" | "sys.path_hooks.insert" | "sys.path_hooks.append"
                if self.at_import() =>
            {
                let message = format!("changes with `{path}` what all other code gets when it imports a module");
                self.note(&rules::PYTHON_TAMPERING, message, at);
            }
            "mmap.mmap" => {
                if args.named("prot").and_then(Value::as_number).is_some_and(|bits| bits & 4 != 0) {
                    self.note(&rules::PYTHON_ATTACK, "makes memory in which it can run what it writes there", at);
                }
            }
            "builtins.globals().update" | "builtins.locals().update" | "builtins.vars().update" => {
                let items = match &args.at(0).what {
                    What::Dict(items) => {
                        items.iter().take(256).map(|(name, value)| (name.shown(), value.clone())).collect()
                    }
                    _ => Vec::new(),
                };
                let named = args.named.iter().map(|(name, value)| (name.to_string(), value.clone()));
                for (name, value) in items.into_iter().chain(named) {
                    self.bind(&name, value);
                }
            }
            "unittest.mock.patch" | "unittest.mock.patch.object" | "mock.patch" | "mock.patch.object"
                if self.at_import() =>
            {
                let weapon = args.all().filter_map(Value::as_path).find(|path| names::is_weapon(path));
                if let Some(weapon) = weapon.map(str::to_owned) {
                    let message = format!("puts `{weapon}` in the place of another function with `{path}`");
                    self.note(&rules::PYTHON_TAMPERING, message, at);
                }
                return None;
            }
            "logging.config.dictConfig" => self.weigh_loggers(&args.at(0), at),
            _ if self.trusting(path, args, at) => {}
            _ => return None,
        }
        Some(Value::path(format!("{path}()")).tainted(args.taint().with(Taint::FILE)))
    }

    /// Settings of loggers: `()` and `class` name what is called to make one.
    fn weigh_loggers(&mut self, settings: &Value, at: u32) {
        let (mut open, mut seen) = (vec![settings.clone()], 0);
        while let Some(value) = open.pop() {
            seen += 1;
            let What::Dict(items) = &value.what else { continue };
            if seen > 256 || !self.step() {
                return;
            }
            let maker = |name: &Value| matches!(name.as_text(), Some("()" | "class"));
            open.extend(items.iter().take(64).map(|(_, value)| value.clone()));
            for (_, value) in items.iter().filter(|(name, _)| maker(name)).take(4) {
                let others = items.iter().filter(|(name, _)| !maker(name)).take(64);
                let named = others.map(|(name, value)| (Rc::from(name.shown()), value.clone())).collect();
                let made = value.as_text().map(|text| Value::path(names::canonical(text.trim_start_matches("ext://"))));
                self.call(&made.unwrap_or_else(|| value.clone()), &Args { given: Vec::new(), named }, at);
            }
        }
    }

    /// Loaders that are told to trust what they load.
    fn trusting(&mut self, path: &str, args: &Args, at: u32) -> bool {
        let set = |place: usize, name: &str, to: i64| args.get(place, name).as_number() == Some(to);
        match path {
            "numpy.load" | "numpy.lib.npyio.load" if set(2, "allow_pickle", 1) && self.at_import() => {
                self.note_loading(path, at);
            }
            "torch.load" | "torch.serialization.load"
                if set(usize::MAX, "weights_only", 0) && args.at(0).deep_taint().has(Taint::NETWORK) =>
            {
                self.unpickled(path, args, at);
            }
            "torch.load" | "torch.serialization.load" if args.named("pickle_module").is_some() && self.at_import() => {
                self.note_loading(path, at);
            }
            "torch.load" | "torch.serialization.load" if set(usize::MAX, "weights_only", 0) && self.at_import() => {
                self.note_loading(path, at);
            }
            "yaml.load" | "yaml.load_all" => {
                let loader = args.get(1, "Loader");
                let trusts = |path: &str| {
                    path.ends_with("UnsafeLoader") || path.ends_with("yaml.Loader") || path.ends_with(".CLoader")
                };
                if loader.as_path().is_some_and(trusts) {
                    self.unpickled(path, args, at);
                }
            }
            "ruamel.yaml.YAML" if args.get(0, "typ").as_text() == Some("unsafe") && self.at_import() => {
                self.note_loading(path, at);
            }
            _ if path.ends_with("load_model") && set(usize::MAX, "safe_mode", 0) && self.at_import() => {
                self.note_loading(path, at);
            }
            _ if path.ends_with(".enable_unsafe_deserialization") && self.at_import() => {
                let message = format!("lets models run code when they are loaded, with `{path}`");
                self.note(&rules::PYTHON_TAMPERING, message, at);
            }
            _ => return false,
        }
        true
    }

    fn note_loading(&mut self, path: &str, at: u32) {
        self.note(&rules::PYTHON_RISKY_CALL, format!("loads what may carry code with `{path}`"), at);
    }

    /// An annotation. What stands in it as text is code for whoever asks for the types.
    pub(super) fn annotation(&mut self, annotation: &'a Expr) {
        self.eval(annotation);
        let (mut open, mut seen) = (vec![annotation], 0);
        while let Some(expr) = open.pop() {
            seen += 1;
            if seen > 64 {
                return;
            }
            match expr {
                Expr::StringLiteral(text) => {
                    let code = text.value.to_str();
                    if code.contains('(') && code.len() < 4096 {
                        let at = expr.range().start().to_u32();
                        self.as_called(|walk| walk.inner_code(code, at));
                    }
                }
                Expr::Subscript(e) if !matches!(&*e.value, Expr::Name(n) if n.id.as_str() == "Literal") => {
                    open.extend([&*e.value, &*e.slice]);
                }
                Expr::Tuple(e) => open.extend(&e.elts),
                Expr::List(e) => open.extend(&e.elts),
                Expr::BinOp(e) => open.extend([&*e.left, &*e.right]),
                _ => {}
            }
        }
    }
}
