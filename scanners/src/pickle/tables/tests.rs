//! The data files say what they should.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what went wrong by panicking")]

use super::*;

fn tier(module: &str, name: &str) -> Option<Tier> {
    look_up(module, name).map(|entry| entry.tier)
}

#[test]
fn every_line_of_the_data_is_read() {
    assert!(TABLES.faults.is_empty(), "cannot be read, or is there twice:\n{}", TABLES.faults.join("\n"));
}

#[test]
fn nothing_is_vouched_for_and_warned_of_by_name() {
    for (module, names) in &TABLES.vouched {
        for name in names.keys() {
            let warned = |table: &HashMap<_, HashMap<&str, _>>| table.get(module).is_some_and(|n| n.contains_key(name));
            assert!(!warned(&TABLES.warned) && !warned(&TABLES.below), "{module}.{name} is both");
            assert!(!name.contains('*'), "{module}.{name} vouches by a pattern");
        }
    }
}

/// What scanners before us let through, and its like: each has to be warned of.
const KNOWN_GADGETS: &str = "os system; posix system; nt system; os popen; subprocess Popen; sys settrace; builtins eval; \
    builtins exec; __builtin__ execfile; builtins __import__; builtins open; builtins breakpoint; commands getoutput; pty spawn; \
    runpy run_path; code InteractiveInterpreter.runcode; socket create_connection; ctypes CDLL; _ctypes dlopen; \
    _posixsubprocess fork_exec; multiprocessing.util spawnv_passfds; importlib import_module; imp load_source; \
    pkgutil resolve_name; pydoc locate; pydoc pipepager; webbrowser open; ssl get_server_certificate; urllib.request urlopen; \
    urllib2 urlopen; asyncio.unix_events _UnixSubprocessTransport._start; signal signal; atexit register; threading Timer; \
    _thread start_new_thread; shutil rmtree; tempfile NamedTemporaryFile; _io FileIO; _pyio open; codecs open; \
    pathlib Path.read_text; fileinput input; linecache getlines; zipfile ZipFile; sqlite3 connect; pickle loads; _pickle loads; \
    cPickle loads; marshal loads; types CodeType; types FunctionType; _interpreters run_string; _testcapi run_in_subinterp; \
    site addsitedir; pip main; pip._internal.cli.main main; ensurepip _run_pip; venv create; distutils.file_util write_file; \
    setuptools.msvc msvc14_get_vc_env; pexpect spawn; requests get; timeit timeit; cProfile run; profile Profile.runctx; \
    trace Trace.run; bdb Bdb.run; pdb run; doctest debug_script; idlelib.run Executive.runcode; \
    idlelib.pyshell ModifiedInterpreter.runcode; idlelib.calltip get_entity; idlelib.autocomplete AutoComplete.get_entity; \
    idlelib.debugobj ObjectTreeItem.SetText; lib2to3.pgen2.pgen ParserGenerator.make_label; lib2to3.pgen2.grammar Grammar.loads; \
    logging FileHandler; logging.config listen; uuid _get_command_stdout; _osx_support _read_output; \
    _aix_support _read_cmd_output; _pyrepl.pager pipe_pager; platform popen; test.support run_unittest; operator methodcaller; \
    _operator methodcaller; functools reduce; itertools starmap; builtins map; numpy.f2py.crackfortran getlincoef; \
    numpy.testing._private.utils runstring; numpy load; numpy memmap; numpy.ctypeslib load_library; pandas read_pickle; \
    pandas.core.computation.eval eval; torch load; torch.hub load; torch.package PackageImporter; torch.ops load_library; \
    torch.utils.collect_env run; torch.utils.bottleneck.__main__ run_autograd_prof; torch.jit.annotations parse_type_line; \
    torch.distributed.rpc rpc_sync; torch.fx.experimental.symbolic_shapes ShapeEnv.evaluate_guards_expression; \
    torch._dynamo.guards GuardBuilder.get; torch.utils._config_module ConfigModule.load_config; \
    transformers.dynamic_module_utils get_class_from_dynamic_module; keras.utils get_file; sympy sympify; yaml unsafe_load; \
    jinja2 Template; dill loads; joblib load; huggingface_hub hf_hub_download; skops.io load; copyreg add_extension; \
    collections _sys; random _os; torch.serialization os; numpy.core _ufunc_reconstruct; string Formatter; \
    contextlib ExitStack; weakref finalize; xml.sax parse; crypt crypt; getpass getpass";

#[test]
fn known_gadgets_are_warned_of() {
    let missed: Vec<&str> = KNOWN_GADGETS
        .split(';')
        .map(str::trim)
        .filter(|path| path.split_once(' ').is_none_or(|(module, name)| tier(module, name) < Some(Tier::Gadget)))
        .collect();
    assert!(missed.is_empty(), "{missed:?}");
}

#[test]
fn what_builds_code_is_neither_vouched_for_nor_called_an_execution() {
    for (module, name) in [
        ("cloudpickle.cloudpickle", "_make_skeleton_class"),
        ("dill._dill", "_create_code"),
        ("collections", "namedtuple"),
        ("torch.fx.graph_module", "reduce_graph_module"),
    ] {
        assert_eq!(tier(module, name), Some(Tier::Code), "{module}.{name}");
    }
    assert_eq!(tier("mypackage.models", "Net"), None);
}

#[test]
fn benign_globals_are_vouched_for_under_every_spelling() {
    use UseKind::{Call, Import, Items, New, State};
    for (module, name, kinds) in [
        ("collections", "OrderedDict", &[Call, New, State, Items][..]),
        ("__builtin__", "xrange", &[Call]),
        ("copy_reg", "_reconstructor", &[Call]),
        ("torch._utils", "_rebuild_tensor_v2", &[Import, Call]),
        ("numpy.core.multiarray", "_reconstruct", &[Call]),
        ("numpy._core.multiarray", "_reconstruct", &[Call]),
        ("sklearn.ensemble._forest", "RandomForestClassifier", &[New, State]),
        ("sklearn.ensemble.forest", "RandomForestClassifier", &[New, State]),
        ("torch.nn.modules.linear", "Linear", &[New, State]),
        ("ultralytics.nn.tasks", "DetectionModel", &[New, State]),
        ("transformers.training_args", "TrainingArguments", &[New, State]),
        ("pathlib._local", "PosixPath", &[Call]),
    ] {
        let entry = look_up(module, name).unwrap_or_else(|| panic!("{module}.{name} is not known"));
        assert!(kinds.iter().all(|kind| entry.vouches_for(*kind)), "{module}.{name}: {:?}", entry.uses);
    }
    assert!(!look_up("builtins", "eval").is_some_and(|entry| entry.vouches_for(Import)));
    assert_eq!(package("torch._utils"), "torch");
}
