//! What dotted names do when they are called. Facts only; what they mean in a file is for `judge` to say.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization as _;

/// What a call does that a reviewer would want to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    /// Runs a program; the first argument is the command.
    Run,
    /// Opens a connection or listens.
    Connect,
    /// Asks for the address of a name, which tells the name to others.
    Resolve,
    /// Takes something from an address.
    Fetch,
    /// Sends something to an address.
    Send,
    /// Runs text as code.
    Execute,
    /// Makes a code object from bytes.
    Unmarshal,
    /// Loads a pickle from bytes.
    Unpickle,
    /// Loads a native library or builds one.
    Native,
    /// Handles memory in ways of which only injected code has need.
    Inject,
    /// Opens a file; the second argument is the mode.
    Open,
    /// Reads a file, or the names in a folder.
    Read,
    /// Writes a file.
    Write,
    /// Copies or moves: reads the first argument and writes the second.
    Copy,
    /// Deletes.
    Delete,
    /// Evaluates a text that can hold Python.
    Render,
    /// Looks through all objects there are.
    Roam,
    /// Adds a place from which modules are imported.
    Widen,
    /// Loads code of another repository.
    Borrow,
    /// Reads what is typed.
    Listen,
    /// Writes settings of the system.
    Register,
    /// Loads another file as Python.
    RunFile,
    /// Puts the standard streams where the connection is.
    Duplicate,
    /// Runs a text as Tcl, which has commands that start programs.
    Tcl,
}

/// Exact names.
const EXACT: &[(&str, Deed)] = &[
    ("os.system", Deed::Run),
    ("os.popen", Deed::Run),
    ("os.popen2", Deed::Run),
    ("os.popen3", Deed::Run),
    ("os.popen4", Deed::Run),
    ("os._execvpe", Deed::Run),
    ("os._spawnvef", Deed::Run),
    ("multiprocessing.util.spawnv_passfds", Deed::Run),
    ("pydoc.pipepager", Deed::Run),
    ("pydoc.tempfilepager", Deed::Run),
    ("webbrowser.BackgroundBrowser", Deed::Run),
    ("webbrowser.GenericBrowser", Deed::Run),
    ("os.startfile", Deed::Run),
    ("os.fork", Deed::Run),
    ("os.forkpty", Deed::Run),
    ("os.posix_spawn", Deed::Run),
    ("os.posix_spawnp", Deed::Run),
    ("platform.popen", Deed::Run),
    ("pty.spawn", Deed::Run),
    ("pty.fork", Deed::Run),
    ("asyncio.create_subprocess_shell", Deed::Run),
    ("asyncio.create_subprocess_exec", Deed::Run),
    ("asyncio.subprocess.create_subprocess_shell", Deed::Run),
    ("asyncio.subprocess.create_subprocess_exec", Deed::Run),
    ("_posixsubprocess.fork_exec", Deed::Run),
    ("_winapi.CreateProcess", Deed::Run),
    ("distutils.spawn.spawn", Deed::Run),
    ("pexpect.spawn", Deed::Run),
    ("pexpect.run", Deed::Run),
    ("pexpect.popen_spawn.PopenSpawn", Deed::Run),
    ("pip.main", Deed::Run),
    ("pip._internal.main", Deed::Run),
    ("pip._internal.cli.main.main", Deed::Run),
    ("ensurepip.bootstrap", Deed::Run),
    ("setuptools.msvc", Deed::Run),
    ("uuid._get_command_stdout", Deed::Run),
    ("_osx_support._read_output", Deed::Run),
    ("get_ipython().system", Deed::Run),
    ("get_ipython().getoutput", Deed::Run),
    ("IPython.get_ipython().system", Deed::Run),
    ("IPython.get_ipython().getoutput", Deed::Run),
    ("torch.utils.collect_env.run", Deed::Run),
    ("numpy.distutils.exec_command.exec_command", Deed::Run),
    ("numpy.testing._private.utils.runstring", Deed::Execute),
    ("psutil.Popen", Deed::Run),
    ("plumbum.local[]", Deed::Run),
    ("plumbum.local[].run", Deed::Run),
    ("trio.run_process", Deed::Run),
    ("anyio.run_process", Deed::Run),
    ("anyio.open_process", Deed::Run),
    ("IPython.utils.process.system", Deed::Run),
    ("IPython.utils.process.getoutput", Deed::Run),
    ("IPython.utils.process.getoutputerror", Deed::Run),
    ("IPython.utils.process.get_output_error_code", Deed::Run),
    ("IPython.core.interactiveshell.InteractiveShell().system", Deed::Run),
    ("docker.from_env().containers.run", Deed::Run),
    ("docker.DockerClient().containers.run", Deed::Run),
    ("win32api.ShellExecute", Deed::Run),
    ("win32process.CreateProcess", Deed::Run),
    ("socket.socket().connect", Deed::Connect),
    ("socket.socket().connect_ex", Deed::Connect),
    ("socket.socket().sendto", Deed::Connect),
    ("socket.socket().listen", Deed::Connect),
    ("socket.datagram().sendto", Deed::Connect),
    ("socket.create_connection", Deed::Connect),
    ("socket.create_server", Deed::Connect),
    ("socket.gethostbyname", Deed::Resolve),
    ("socket.getaddrinfo", Deed::Resolve),
    ("asyncio.open_connection", Deed::Connect),
    ("asyncio.start_server", Deed::Connect),
    ("ssl.wrap_socket().connect", Deed::Connect),
    ("ssl.SSLContext().wrap_socket().connect", Deed::Connect),
    ("ssl.create_default_context().wrap_socket().connect", Deed::Connect),
    ("paramiko.SSHClient().connect", Deed::Connect),
    ("telnetlib.Telnet", Deed::Connect),
    ("ftplib.FTP", Deed::Connect),
    ("ftplib.FTP_TLS", Deed::Connect),
    ("poplib.POP3", Deed::Connect),
    ("imaplib.IMAP4", Deed::Connect),
    ("smtplib.SMTP", Deed::Send),
    ("smtplib.SMTP_SSL", Deed::Send),
    ("smtplib.SMTP().sendmail", Deed::Send),
    ("smtplib.SMTP().send_message", Deed::Send),
    ("websocket.create_connection", Deed::Connect),
    ("websockets.connect", Deed::Connect),
    ("dns.resolver.resolve", Deed::Resolve),
    ("dns.resolver.query", Deed::Resolve),
    ("webbrowser.open", Deed::Fetch),
    ("webbrowser.open_new_tab", Deed::Fetch),
    ("xmlrpc.client.ServerProxy", Deed::Connect),
    ("socket.socket().send", Deed::Send),
    ("socket.socket().sendall", Deed::Send),
    ("socket.datagram().send", Deed::Send),
    ("socket.datagram().sendall", Deed::Send),
    ("socket.create_connection().send", Deed::Send),
    ("socket.create_connection().sendall", Deed::Send),
    ("urllib.request.urlopen", Deed::Fetch),
    ("urllib.request.urlretrieve", Deed::Fetch),
    ("urllib.request.build_opener().open", Deed::Fetch),
    ("urllib.request.OpenerDirector().open", Deed::Fetch),
    ("urllib.urlopen", Deed::Fetch),
    ("urllib.urlretrieve", Deed::Fetch),
    ("urllib2.urlopen", Deed::Fetch),
    ("http.client.HTTPConnection().request", Deed::Send),
    ("http.client.HTTPSConnection().request", Deed::Send),
    ("huggingface_hub.upload_file", Deed::Send),
    ("huggingface_hub.upload_folder", Deed::Send),
    ("huggingface_hub.upload_large_folder", Deed::Send),
    ("huggingface_hub.create_commit", Deed::Send),
    ("huggingface_hub.HfApi().upload_file", Deed::Send),
    ("huggingface_hub.HfApi().upload_folder", Deed::Send),
    ("huggingface_hub.HfApi().upload_large_folder", Deed::Send),
    ("huggingface_hub.HfApi().create_commit", Deed::Send),
    ("git.Repo.clone_from", Deed::Fetch),
    ("wget.download", Deed::Fetch),
    ("gdown.download", Deed::Fetch),
    ("torch.hub.download_url_to_file", Deed::Fetch),
    ("builtins.exec", Deed::Execute),
    ("builtins.eval", Deed::Execute),
    ("IPython.core.interactiveshell.InteractiveShell().run_cell", Deed::Run),
    ("IPython.core.interactiveshell.InteractiveShell().ex", Deed::Execute),
    ("torch.fx.graph_module._exec_with_source", Deed::Execute),
    ("code.interact", Deed::Execute),
    ("code.InteractiveInterpreter().runsource", Deed::Execute),
    ("code.InteractiveInterpreter().runcode", Deed::Execute),
    ("code.InteractiveConsole().runcode", Deed::Execute),
    ("code.InteractiveConsole().push", Deed::Execute),
    ("code.InteractiveConsole().runsource", Deed::Execute),
    ("timeit.timeit", Deed::Execute),
    ("timeit.repeat", Deed::Execute),
    ("timeit.main", Deed::Execute),
    ("timeit.Timer", Deed::Execute),
    ("runpy._run_code", Deed::Execute),
    ("runpy._run_module_code", Deed::Execute),
    ("cProfile.run", Deed::Execute),
    ("cProfile.runctx", Deed::Execute),
    ("profile.run", Deed::Execute),
    ("profile.runctx", Deed::Execute),
    ("trace.Trace().run", Deed::Execute),
    ("trace.Trace().runctx", Deed::Execute),
    ("trace.Trace().runfunc", Deed::Execute),
    ("cProfile.Profile().run", Deed::Execute),
    ("cProfile.Profile().runctx", Deed::Execute),
    ("cProfile.Profile().runcall", Deed::Execute),
    ("profile.Profile().run", Deed::Execute),
    ("profile.Profile().runctx", Deed::Execute),
    ("profile.Profile().runcall", Deed::Execute),
    ("pdb.run", Deed::Execute),
    ("pdb.runctx", Deed::Execute),
    ("pdb.runeval", Deed::Execute),
    ("pdb.runcall", Deed::Execute),
    ("pdb.Pdb().run", Deed::Execute),
    ("pdb.Pdb().runeval", Deed::Execute),
    ("pdb.Pdb().runctx", Deed::Execute),
    ("bdb.Bdb().run", Deed::Execute),
    ("bdb.Bdb().runeval", Deed::Execute),
    ("bdb.Bdb().runctx", Deed::Execute),
    ("doctest.debug_script", Deed::Execute),
    ("doctest.debug_src", Deed::Execute),
    ("_interpreters.run_string", Deed::Execute),
    ("_interpreters.exec", Deed::Execute),
    ("concurrent.interpreters.create().exec", Deed::Execute),
    ("tkinter.Tcl().eval", Deed::Tcl),
    ("tkinter.Tcl().call", Deed::Tcl),
    ("tkinter.Tcl().tk.eval", Deed::Tcl),
    ("tkinter.Tcl().tk.call", Deed::Tcl),
    ("tkinter.Tk().eval", Deed::Tcl),
    ("tkinter.Tk().call", Deed::Tcl),
    ("tkinter.Tk().tk.eval", Deed::Tcl),
    ("tkinter.Tk().tk.call", Deed::Tcl),
    ("_tkinter.create().eval", Deed::Tcl),
    ("_tkinter.create().call", Deed::Tcl),
    ("_xxsubinterpreters.run_string", Deed::Execute),
    ("_testcapi.run_in_subinterp", Deed::Execute),
    ("get_ipython().run_cell", Deed::Execute),
    ("types.FunctionType()", Deed::Execute),
    ("types.CodeType()", Deed::Execute),
    ("marshal.loads", Deed::Unmarshal),
    ("marshal.load", Deed::Unmarshal),
    ("types.CodeType", Deed::Unmarshal),
    ("pickle.loads", Deed::Unpickle),
    ("pickle.load", Deed::Unpickle),
    ("dill.load", Deed::Unpickle),
    ("cloudpickle.load", Deed::Unpickle),
    ("joblib.load", Deed::Unpickle),
    ("cPickle.loads", Deed::Unpickle),
    ("dill.loads", Deed::Unpickle),
    ("cloudpickle.loads", Deed::Unpickle),
    ("jsonpickle.decode", Deed::Unpickle),
    ("dill.load_session", Deed::Unpickle),
    ("dill.load_module", Deed::Unpickle),
    ("dill.load_module_asdict", Deed::Unpickle),
    ("dill.session.load_session", Deed::Unpickle),
    ("dill.session.load_module", Deed::Unpickle),
    ("pandas.read_pickle", Deed::Unpickle),
    ("pandas.io.pickle.read_pickle", Deed::Unpickle),
    ("shelve.open", Deed::Unpickle),
    ("sklearn.externals.joblib.load", Deed::Unpickle),
    ("yaml.unsafe_load", Deed::Unpickle),
    ("yaml.UnsafeLoader", Deed::Unpickle),
    ("yaml.Loader", Deed::Unpickle),
    ("yaml.unsafe_load_all", Deed::Unpickle),
    ("pickle.Unpickler().load", Deed::Unpickle),
    ("ctypes.CDLL", Deed::Native),
    ("ctypes.PyDLL", Deed::Native),
    ("ctypes.WinDLL", Deed::Native),
    ("ctypes.OleDLL", Deed::Native),
    ("ctypes.cdll.LoadLibrary", Deed::Native),
    ("ctypes.pydll.LoadLibrary", Deed::Native),
    ("ctypes.windll.LoadLibrary", Deed::Native),
    ("ctypes.LibraryLoader().LoadLibrary", Deed::Native),
    ("_ctypes.dlopen", Deed::Native),
    ("numpy.ctypeslib.load_library", Deed::Native),
    ("cffi.FFI().dlopen", Deed::Native),
    ("cffi.FFI().verify", Deed::Native),
    ("torch.ops.load_library", Deed::Native),
    ("torch.classes.load_library", Deed::Native),
    ("torch.utils.cpp_extension.load", Deed::Native),
    ("torch.utils.cpp_extension.load_inline", Deed::Native),
    ("numpy.f2py.compile", Deed::Native),
    ("tensorflow.load_op_library", Deed::Native),
    ("tensorflow.load_library", Deed::Native),
    ("importlib.machinery.ExtensionFileLoader", Deed::Native),
    ("imp.load_dynamic", Deed::Native),
    ("_imp.create_dynamic", Deed::Native),
    ("sqlite3.connect().load_extension", Deed::Native),
    ("sqlite3.Connection().load_extension", Deed::Native),
    ("pybind11.setup_helpers", Deed::Native),
    ("os.memfd_create", Deed::Inject),
    ("ctypes.CFUNCTYPE()()", Deed::Inject),
    ("ctypes.PYFUNCTYPE()()", Deed::Inject),
    ("ctypes.WINFUNCTYPE()()", Deed::Inject),
    ("ctypes.cast()", Deed::Inject),
    ("ctypes.pythonapi.PyRun_SimpleString", Deed::Execute),
    ("ctypes.pythonapi.PyRun_String", Deed::Execute),
    ("ctypes.windll.kernel32.VirtualAlloc", Deed::Inject),
    ("ctypes.windll.kernel32.VirtualAllocEx", Deed::Inject),
    ("ctypes.windll.kernel32.VirtualProtect", Deed::Inject),
    ("ctypes.windll.kernel32.CreateThread", Deed::Inject),
    ("ctypes.windll.kernel32.CreateRemoteThread", Deed::Inject),
    ("ctypes.windll.kernel32.WriteProcessMemory", Deed::Inject),
    ("ctypes.windll.kernel32.RtlMoveMemory", Deed::Inject),
    ("builtins.open", Deed::Open),
    ("io.open", Deed::Open),
    ("codecs.open", Deed::Open),
    ("os.open", Deed::Open),
    ("io.FileIO", Deed::Open),
    ("aiofiles.open", Deed::Open),
    ("gzip.open", Deed::Open),
    ("zipfile.ZipFile", Deed::Open),
    ("tarfile.open", Deed::Open),
    ("sqlite3.connect", Deed::Read),
    ("os.listdir", Deed::Read),
    ("os.scandir", Deed::Read),
    ("os.walk", Deed::Read),
    ("glob.glob", Deed::Read),
    ("glob.iglob", Deed::Read),
    ("linecache.getlines", Deed::Read),
    ("linecache.getline", Deed::Read),
    ("fileinput.input", Deed::Read),
    ("netrc.netrc", Deed::Read),
    ("dotenv.dotenv_values", Deed::Read),
    ("shutil.make_archive", Deed::Read),
    ("shutil.copy", Deed::Copy),
    ("shutil.copy2", Deed::Copy),
    ("shutil.copyfile", Deed::Copy),
    ("shutil.copytree", Deed::Copy),
    ("shutil.move", Deed::Copy),
    ("os.rename", Deed::Copy),
    ("os.replace", Deed::Copy),
    ("os.symlink", Deed::Copy),
    ("os.link", Deed::Copy),
    ("shutil.rmtree", Deed::Delete),
    ("os.remove", Deed::Delete),
    ("os.unlink", Deed::Delete),
    ("os.rmdir", Deed::Delete),
    ("os.removedirs", Deed::Delete),
    ("pandas.eval", Deed::Render),
    ("sympy.sympify", Deed::Render),
    ("sympy.parsing.sympy_parser.parse_expr", Deed::Render),
    ("numexpr.evaluate", Deed::Render),
    ("jinja2.Template", Deed::Render),
    ("jinja2.Environment().from_string", Deed::Render),
    ("mako.template.Template", Deed::Render),
    ("gc.get_objects", Deed::Roam),
    ("gc.get_referrers", Deed::Roam),
    ("gc.get_referents", Deed::Roam),
    ("sys.path.append", Deed::Widen),
    ("sys.path.insert", Deed::Widen),
    ("importlib.util.spec_from_file_location", Deed::RunFile),
    ("torch.hub.load", Deed::Borrow),
    ("kernels.get_kernel", Deed::Borrow),
    ("transformers.dynamic_module_utils.get_class_from_dynamic_module", Deed::Borrow),
    ("evaluate.load", Deed::Borrow),
    ("torch.package.PackageImporter", Deed::RunFile),
    ("importlib.metadata.EntryPoint", Deed::RunFile),
    ("pynput.keyboard.Listener", Deed::Listen),
    ("keyboard.on_press", Deed::Listen),
    ("keyboard.hook", Deed::Listen),
    ("winreg.SetValueEx", Deed::Register),
    ("winreg.SetValue", Deed::Register),
    ("runpy.run_path", Deed::RunFile),
    ("imp.load_source", Deed::RunFile),
    ("imp.load_compiled", Deed::RunFile),
    ("importlib.machinery.SourceFileLoader", Deed::RunFile),
    ("importlib.machinery.SourcelessFileLoader", Deed::RunFile),
    ("importlib.machinery.SourceFileLoader().load_module", Deed::RunFile),
    ("importlib.machinery.SourceFileLoader().exec_module", Deed::RunFile),
    ("importlib.machinery.SourcelessFileLoader().load_module", Deed::RunFile),
    ("importlib.machinery.SourcelessFileLoader().exec_module", Deed::RunFile),
    ("zipimport.zipimporter().load_module", Deed::RunFile),
    ("zipimport.zipimporter().exec_module", Deed::RunFile),
    ("builtins.execfile", Deed::RunFile),
    ("os.dup2", Deed::Duplicate),
];

/// Names of functions that start programs. What calls one of them on something that another call returned has asked that
/// call for the module.
#[rustfmt::skip]
const STARTERS: &[&str] = &[
    "popen", "Popen", "check_output", "check_call", "getoutput", "getstatusoutput", "posix_spawn", "fork_exec", "execv", "execve",
    "execvp", "execvpe", "execl", "execlp", "spawnl", "spawnlp", "spawnv", "spawnvp", "subprocess_exec", "subprocess_shell",
];

/// Whether a function of this name starts programs, whatever it belongs to.
pub(super) fn is_starter(name: &str) -> bool {
    STARTERS.contains(&name)
}

/// What a module does as a whole: every call of a name that begins so.
const PREFIXES: &[(&str, Deed)] = &[
    ("os.exec", Deed::Run),
    ("os.spawn", Deed::Run),
    ("subprocess.", Deed::Run),
    ("commands.", Deed::Run),
    ("popen2.", Deed::Run),
    ("sh.", Deed::Run),
    ("plumbum.", Deed::Run),
    ("sarge.", Deed::Run),
    ("envoy.run", Deed::Run),
    ("subprocess32.", Deed::Run),
    ("gevent.subprocess.", Deed::Run),
    ("eventlet.green.subprocess.", Deed::Run),
    ("fabric.", Deed::Run),
    ("invoke.run", Deed::Run),
    ("delegator.", Deed::Run),
    ("idlelib.run.", Deed::Execute),
    ("idlelib.pyshell.", Deed::Execute),
];

/// What does nothing although its prefix would say so.
#[rustfmt::skip]
const HARMLESS: &[&str] = &[
    "subprocess.CalledProcessError",
    "subprocess.TimeoutExpired",
    "subprocess.SubprocessError",
    "subprocess.CompletedProcess",
    "subprocess.list2cmdline",
    "subprocess.STARTUPINFO",
];

/// HTTP clients: modules whose verbs take or send.
#[rustfmt::skip]
const CLIENTS: &[&str] = &[
    "requests.",
    "requests.api.",
    "requests.Session().",
    "requests.session().",
    "requests.sessions.Session().",
    "httpx.",
    "httpx.Client().",
    "httpx.AsyncClient().",
    "aiohttp.ClientSession().",
    "aiohttp.",
    "urllib3.PoolManager().",
    "urllib3.",
    "curl_cffi.requests.",
    "cloudscraper.create_scraper().",
    "treq.",
    "pycurl.Curl().",
];

/// Beginnings of what lies in a module whose name is not known.
const SOME_MODULE: &[&str] = &["?.", "sys.modules[].", "importlib.import_module().", "unittest.mock._importer()."];

/// What calling `path` does.
pub(super) fn deed(path: &str) -> Option<Deed> {
    if let Some((_, deed)) = EXACT.iter().find(|(name, _)| *name == path) {
        return Some(*deed);
    }
    if HARMLESS.contains(&path) {
        return None;
    }
    for client in CLIENTS {
        if let Some(verb) = path.strip_prefix(client) {
            return match verb {
                "get" | "head" | "options" | "stream" => Some(Deed::Fetch),
                "post" | "put" | "patch" | "delete" | "request" | "ws_connect" | "perform" => Some(Deed::Send),
                _ => continue,
            };
        }
    }
    if let Some(name) = SOME_MODULE.iter().find_map(|module| path.strip_prefix(module)) {
        return (STARTERS.contains(&name) || name == "system").then_some(Deed::Run);
    }
    // Calls of what a call returned are judged by their own names, not by the module's.
    if path.contains("()") || path.contains("[]") {
        let starts = path.rsplit_once('.').is_some_and(|(of, name)| {
            STARTERS.contains(&name)
                && of.rsplit('.').next().is_some_and(|last| last.contains("()") || last.contains("[]"))
        });
        return if starts { Some(Deed::Run) } else { injected(path) };
    }
    PREFIXES.iter().find(|(prefix, _)| path.starts_with(prefix)).map(|(_, deed)| *deed).or_else(|| injected(path))
}

/// Functions that make code of text, or load it by a name.
pub(super) fn makes_code(path: &str) -> bool {
    matches!(path, "builtins.eval" | "builtins.exec" | "builtins.compile" | "builtins.__import__" | "builtins.execfile")
}

/// Functions that nobody hands to other functions without wanting them called.
pub(super) fn is_weapon(path: &str) -> bool {
    let last = path.rsplit('.').next().unwrap_or(path);
    // Of `subprocess` also settings and exceptions are handed around.
    let callable = last == "Popen" || last.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
    callable
        && !path.contains("()")
        && matches!(deed(path), Some(Deed::Run | Deed::Execute | Deed::Inject | Deed::RunFile | Deed::Unmarshal))
}

fn injected(path: &str) -> Option<Deed> {
    let last = path.rsplit('.').next().unwrap_or(path);
    let foreign = path.starts_with("ctypes.");
    match last {
        "VirtualAlloc" | "VirtualAllocEx" | "VirtualProtect" | "CreateRemoteThread" | "CreateThread"
        | "RtlMoveMemory" | "WriteProcessMemory" | "NtCreateThreadEx" | "memfd_create" | "mprotect"
            if foreign =>
        {
            Some(Deed::Inject)
        }
        "system" | "popen" | "execve" | "execl" | "execvp" | "WinExec" | "ShellExecuteA" | "ShellExecuteW"
            if foreign =>
        {
            Some(Deed::Run)
        }
        _ => None,
    }
}

/// Other names of the same modules, and modules that only pass on what another has.
const SAME: &[(&str, &str)] = &[
    ("posix.", "os."),
    ("nt.", "os."),
    ("__builtin__.", "builtins."),
    ("__builtins__.", "builtins."),
    ("_socket.", "socket."),
    ("socket.SocketType", "socket.socket"),
    ("pip._vendor.", ""),
    ("six.moves.urllib.", "urllib."),
    ("six.moves.", ""),
    ("asyncio.subprocess.subprocess.", "subprocess."),
    ("multiprocessing.util.os.", "os."),
    ("multiprocessing.pool.", "multiprocessing."),
    ("importlib._bootstrap.", "importlib."),
    ("importlib._bootstrap_external.", "importlib.machinery."),
    ("_frozen_importlib.", "importlib."),
    ("_frozen_importlib_external.", "importlib.machinery."),
    ("_pickle.", "pickle."),
    ("_io.", "io."),
    ("_pyio.", "io."),
    ("_operator.", "operator."),
    ("_functools.", "functools."),
    ("_codecs.", "codecs."),
    ("_signal.", "signal."),
    ("_asyncio.", "asyncio."),
    ("_sqlite3.", "sqlite3."),
    ("concurrent.futures.thread.", "concurrent.futures."),
    ("http.client.socket.", "socket."),
    ("httplib.", "http.client."),
    ("tensorflow.compat.v1.", "tensorflow."),
    ("urllib.parse.unquote_plus", "urllib.parse.unquote"),
];

/// Standard modules that other modules hold under their own names (`shutil.os`, `random._os`).
const HELD: &[&str] = &["os", "sys", "subprocess", "builtins", "importlib", "socket", "ctypes", "pty", "shutil"];

/// One name for each thing: what other modules merely hold is named by its own module.
pub(super) fn canonical(path: &str) -> String {
    let mut path = path.to_owned();
    for (from, to) in SAME {
        if let Some(rest) = path.strip_prefix(from) {
            path = format!("{to}{rest}");
        }
    }
    let mut parts = path.split('.').peekable();
    let mut kept: Vec<&str> = Vec::new();
    let framework = matches!(parts.peek(), Some(&"torch" | &"tensorflow" | &"transformers" | &"numpy"));
    for part in parts {
        let plain = part.trim_start_matches('_');
        if !kept.is_empty() && kept != [plain] && HELD.contains(&plain) && !(framework && plain == "ctypes") {
            kept.clear();
            kept.push(plain);
        } else {
            kept.push(part);
        }
    }
    kept.join(".")
}

/// A name as Python reads it: letters that only look different are the same.
pub(super) fn normal(name: &str) -> Cow<'_, str> {
    if name.is_ascii() { Cow::Borrowed(name) } else { Cow::Owned(name.nfkc().collect()) }
}

/// Names that every module has without importing them, as far as they matter.
#[rustfmt::skip]
pub(super) const BUILTINS: &[&str] = &[
    "eval", "exec", "compile", "open", "__import__", "getattr", "setattr", "delattr", "hasattr", "globals", "locals", "vars", "dir", "chr",
    "ord", "str", "bytes", "bytearray", "int", "len", "list", "tuple", "dict", "set", "frozenset", "map", "filter", "reversed",
    "range", "zip", "enumerate", "iter", "next", "sorted", "min", "max", "sum", "print", "input", "type", "object", "super",
    "isinstance", "issubclass", "callable", "repr", "memoryview", "breakpoint", "execfile", "reload", "any", "all", "id",
    "property", "staticmethod", "classmethod", "format", "ascii", "hash", "hex", "bool", "float",
];
