//! Every rule, in one table. Each has a page in `docs/`, a bad case, a good case and a snapshot in `tests/rules/`; a test
//! fails where one of the four is missing.
//!
//! A rule says what was seen. What that means in a company is policy's to say.

use serde::Serialize;

/// One rule.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// `WB-PKL-001`
    pub id: &'static str,
    /// How bad it is where it is true.
    pub severity: Severity,
    /// What it does to the verdict.
    pub weight: Weight,
    /// A sentence without its full stop.
    pub title: &'static str,
    /// Weaknesses by their CWE numbers.
    pub cwe: &'static [u16],
    /// The technique's name in MITRE ATLAS, where there is one.
    pub atlas: &'static str,
    /// Its page in `docs/`, as Markdown.
    pub page: &'static str,
}

/// How bad a finding is where it is true.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Unusual.
    Low,
    /// Somebody should look.
    Medium,
    /// Somebody has to look.
    High,
    /// It harms.
    Critical,
}

/// What a finding does to the verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// Nothing.
    Note,
    /// Makes it suspicious.
    Suspicious,
    /// Makes it malicious.
    Malicious,
}

macro_rules! rules {
    ($($name:ident = $id:literal, $severity:ident, $weight:ident, $title:literal, [$($cwe:literal),*], $atlas:literal;)*) => {
        $(
            #[doc = $title]
            pub static $name: Rule = Rule {
                id: $id, severity: Severity::$severity, weight: Weight::$weight, title: $title, cwe: &[$($cwe),*], atlas: $atlas,
                page: include_str!(concat!("../docs/", $id, ".md")),
            };
        )*
        /// All of them, in the order of the table.
        pub static ALL: &[&Rule] = &[$(&$name),*];
    };
}

rules! {
    DIRECT_EXECUTION = "WB-PKL-001", Critical, Malicious, "A pickle names something that runs commands or code", [502], "AML.T0011.000";
    INDIRECT_GADGET = "WB-PKL-002", Critical, Malicious, "A pickle names something that reaches execution indirectly", [502, 184], "AML.T0011.000";
    FILE_OR_NETWORK_CALL = "WB-PKL-003", Critical, Malicious, "A pickle names something that opens files or connections", [502, 73, 918], "AML.T0011.000";
    COMPUTED_NAME = "WB-PKL-004", High, Suspicious, "A pickle computes the name of what it loads", [502, 913], "AML.T0011.000";
    UNKNOWN_GLOBAL = "WB-PKL-005", Medium, Suspicious, "A pickle names something nobody vouches for", [502], "AML.T0011.000";
    CODE_REBUILT = "WB-PKL-006", High, Suspicious, "A pickle carries code", [94], "AML.T0011.000";
    RESOLVER_CALL = "WB-PKL-007", Critical, Malicious, "A pickle calls something that finds other code by name", [470], "AML.T0011.000";
    DOTTED_HOP = "WB-PKL-008", Critical, Malicious, "A pickle walks from a harmless name to another module", [470], "AML.T0011.000";
    METHOD_PATCHED = "WB-PKL-009", Critical, Malicious, "A pickle replaces a method or a class of an object", [915], "AML.T0011.000";
    FOREIGN_OBJECT_CHANGED = "WB-PKL-010", High, Suspicious, "A pickle puts items into an object that is no container", [843], "AML.T0011.000";
    PERSISTENT_ID = "WB-PKL-011", High, Suspicious, "A pickle asks its loader for an object in a form no loader of this format uses", [502], "AML.T0011.000";
    EXTENSION_CODE = "WB-PKL-012", High, Suspicious, "A pickle names an object by a number", [502], "AML.T0011.000";
    NESTED_PICKLE = "WB-PKL-013", High, Suspicious, "A pickle carries another pickle as bytes", [502], "AML.T0011.000";
    DEFERRED_CALL = "WB-PKL-014", High, Suspicious, "A function is stored where a later use will call it", [502], "AML.T0011.000";
    NEIGHBOUR_IMPORTED = "WB-PKL-015", High, Suspicious, "A pickle imports a file that lies beside it", [829], "AML.T0011.000";
    STACK_ODDITY = "WB-PKL-016", Medium, Suspicious, "A pickle moves its stack or memo as no writer does", [693], "AML.T0011.000";
    PICKLES_STACKED = "WB-PKL-017", Medium, Suspicious, "More pickles follow where one is expected", [693], "AML.T0011.000";
    ACTIVE_TRAILER = "WB-PKL-018", High, Suspicious, "Something that can run follows the end of the pickle", [693], "AML.T0074";
    NAME_NOT_NORMAL = "WB-PKL-019", Medium, Suspicious, "A name looks like another one", [176], "AML.T0074";
    BROKEN_AFTER_USE = "WB-PKL-020", Medium, Suspicious, "A pickle breaks after it has already done something", [693], "AML.T0011.000";
    FRAME_LIE = "WB-PKL-021", Low, Note, "A pickle's protocol or frames are not what it says", [693], "";
    DEEP_STRUCTURE = "WB-PKL-022", Medium, Suspicious, "A pickle grows without end when loaded", [400], "AML.T0029";
    LENGTH_PAST_END = "WB-PKL-023", Medium, Suspicious, "A length in a pickle goes past the end of the file", [789], "AML.T0029";
    HUGE_VALUE = "WB-PKL-024", Medium, Suspicious, "A pickle makes its loader allocate without measure", [400, 789], "AML.T0029";
    NOT_WEIGHTS_ONLY = "WB-PKL-025", Info, Note, "The file loads only with weights_only=False", [502], "";
    ARRAY_ELSEWHERE = "WB-PKL-026", High, Suspicious, "An array is loaded from another file", [22], "AML.T0011.000";
    ZIP_VIEWS_DIFFER = "WB-ZIP-001", High, Suspicious, "The archive's directory and its members say different things", [436], "AML.T0074";
    ZIP_CRC = "WB-ZIP-002", Medium, Suspicious, "A member's checksum is wrong", [354], "";
    ZIP_FLAGS = "WB-ZIP-003", Medium, Suspicious, "A member's flags are not what it is", [436], "AML.T0074";
    ZIP_TWO_ENDS = "WB-ZIP-004", High, Suspicious, "The archive has more than one directory", [436], "AML.T0074";
    ZIP_DUPLICATE = "WB-ZIP-005", High, Suspicious, "Two members have the same name", [694], "AML.T0074";
    ZIP_UNLISTED = "WB-ZIP-006", High, Suspicious, "A member is missing from the archive's directory", [436], "AML.T0074";
    ZIP_ESCAPE = "WB-ZIP-007", Critical, Malicious, "A member would be written outside the folder it is unpacked to", [22], "AML.T0011.000";
    ZIP_LINK = "WB-ZIP-008", High, Suspicious, "A member is a symbolic link", [59], "AML.T0011.000";
    ZIP_BOMB = "WB-ZIP-009", Medium, Suspicious, "The archive grows out of proportion when unpacked", [409], "AML.T0029";
    ZIP_EXTRA_DATA = "WB-ZIP-010", Medium, Suspicious, "Bytes lie before or behind the archive", [434], "AML.T0074";
    ZIP_NAME = "WB-ZIP-011", High, Suspicious, "A member's name reads differently to different programs", [838], "AML.T0074";
    ZIP_NESTING = "WB-ZIP-012", Medium, Suspicious, "Archives lie in archives too deep to be looked at", [409], "AML.T0029";
    ARCHIVE_ESCAPE = "WB-ARC-001", Critical, Malicious, "A member of the archive is a device or would be written outside its folder", [22, 59], "AML.T0011.000";
    ARCHIVE_AS_MODEL = "WB-ARC-002", High, Suspicious, "An archive poses as a model", [434], "AML.T0074";
    ARCHIVE_ENCRYPTED = "WB-ARC-003", Medium, Suspicious, "A member is encrypted and cannot be looked at", [311], "";
    NAME_MISMATCH = "WB-GEN-001", Medium, Suspicious, "The name says one format and the content another", [434], "AML.T0074";
    POLYGLOT = "WB-GEN-002", High, Suspicious, "The same bytes are two formats at once", [434], "AML.T0074";
    LIMIT_REACHED = "WB-GEN-003", Medium, Note, "The scan stopped at a limit", [400], "";
    UNREADABLE = "WB-GEN-004", Medium, Note, "The file could not be read as what it is", [20], "";
    BLOB_UNKNOWN = "WB-GEN-005", Low, Note, "A large block of bytes is nothing that is known", [506], "";
    STRUCTURE_BROKEN = "WB-GEN-006", Medium, Suspicious, "A model breaks its own format", [20], "";
    SCRIPT_FILE_OP = "WB-TOR-001", Critical, Malicious, "TorchScript reads or writes files", [73], "AML.T0011.000";
    SCRIPT_UNKNOWN_OP = "WB-TOR-002", Medium, Suspicious, "TorchScript calls an operation nobody vouches for", [829], "AML.T0011.000";
    TORCH_PACKAGE = "WB-TOR-003", High, Suspicious, "A torch package carries Python source", [94], "AML.T0011.000";
    TORCH_NATIVE = "WB-TOR-004", Critical, Malicious, "A torch archive carries a native library", [829], "AML.T0018.002";
    TORCH_TAR = "WB-TOR-005", High, Suspicious, "The checkpoint is in torch's oldest form", [502], "AML.T0011.000";
    STORAGE_EXTENT = "WB-TOR-006", High, Suspicious, "A tensor reaches past its storage", [130, 787], "AML.T0011.000";
    OTHER_PICKLE = "WB-TOR-007", Medium, Suspicious, "A checkpoint carries a pickle where none belongs", [502], "AML.T0074";
    OBJECT_ARRAY = "WB-NPY-001", High, Suspicious, "An array of Python objects is a pickle", [502], "AML.T0011.000";
    ARRAY_HEADER = "WB-NPY-002", Critical, Malicious, "An array's header is code instead of a description", [95], "AML.T0011.000";
    ARRAY_SHAPE = "WB-NPY-003", Medium, Suspicious, "An array's description is malformed or does not fit its data", [190], "AML.T0029";
    TENSORS_HEADER = "WB-STS-001", High, Suspicious, "The safetensors header is invalid", [20], "AML.T0074";
    TENSORS_EXTENT = "WB-STS-002", High, Suspicious, "Tensors leave gaps, overlap or end early", [130], "AML.T0074";
    TENSORS_DUPLICATE = "WB-STS-003", High, Suspicious, "The safetensors header names something twice", [694], "AML.T0074";
    TENSORS_HEADER_SIZE = "WB-STS-004", Medium, Suspicious, "The safetensors header is out of proportion", [400], "AML.T0029";
    TENSORS_METADATA = "WB-STS-005", Medium, Suspicious, "The safetensors metadata holds active content", [79], "";
    INDEX_ESCAPE = "WB-STS-006", Critical, Malicious, "A weights index points outside the repository", [22], "AML.T0011.000";
    GGUF_COUNT = "WB-GGU-001", High, Suspicious, "A count or length in the GGUF header overflows", [190, 122], "AML.T0011.000";
    GGUF_EXTENT = "WB-GGU-002", High, Suspicious, "A GGUF tensor lies outside the file", [125], "AML.T0011.000";
    GGUF_TYPE = "WB-GGU-003", Medium, Suspicious, "A GGUF type does not exist", [129], "";
    GGUF_ALIGNMENT = "WB-GGU-004", Medium, Suspicious, "The GGUF alignment is invalid", [369], "";
    GGUF_DUPLICATE = "WB-GGU-005", High, Suspicious, "A GGUF key or tensor is there twice", [694], "AML.T0074";
    GGUF_TRAILER = "WB-GGU-006", Medium, Suspicious, "Bytes follow the last GGUF tensor", [434], "AML.T0074";
    GGUF_NESTING = "WB-GGU-007", Medium, Suspicious, "A GGUF key, name or value is not what loaders take", [674], "AML.T0029";
    TEMPLATE_REACH = "WB-TPL-001", Critical, Malicious, "A chat template reaches into Python", [1336, 94], "AML.T0011.000";
    TEMPLATE_UNKNOWN_CALL = "WB-TPL-002", Medium, Suspicious, "A chat template calls something that templates do not have", [1336], "";
    TEMPLATE_OBFUSCATED = "WB-TPL-003", High, Suspicious, "A chat template hides which attribute it reads", [1336], "AML.T0011.000";
    TEMPLATE_CONDITIONAL = "WB-TPL-004", High, Suspicious, "A chat template changes its instructions when a certain content is seen", [912], "AML.T0051";
    TEMPLATE_UNUSUAL = "WB-TPL-005", Low, Note, "A chat template could not be read", [1336], "";
    TEMPLATE_BOMB = "WB-TPL-006", Medium, Suspicious, "A chat template grows without end", [400], "AML.T0029";
    TEMPLATE_ORDERS = "WB-TPL-007", Low, Note, "A chat template always writes orders of its own", [912], "AML.T0051";
    KERAS_LAMBDA = "WB-KER-001", Critical, Malicious, "A Keras layer carries Python bytecode", [94], "AML.T0011.000";
    KERAS_FOREIGN = "WB-KER-002", Critical, Malicious, "A Keras config imports from outside Keras", [470], "AML.T0011.000";
    KERAS_CALLABLE = "WB-KER-003", Critical, Malicious, "A Keras config names a function that reaches files, network or settings", [470, 918], "AML.T0011.000";
    KERAS_PATH = "WB-KER-004", High, Suspicious, "A Keras layer reads its vocabulary from a path or address", [73, 918], "AML.T0011.000";
    KERAS_EXTERNAL = "WB-KER-005", Critical, Malicious, "A Keras layer loads another model format that can carry code", [502], "AML.T0011.000";
    KERAS_CUSTOM = "WB-KER-006", Medium, Suspicious, "A Keras config needs a custom class", [829], "";
    KERAS_DUPLICATE = "WB-KER-007", High, Suspicious, "A Keras config names a key twice", [694], "AML.T0074";
    KERAS_ESCAPE = "WB-KER-008", Critical, Malicious, "A Keras layer reads a secret place or an address when it is loaded", [73, 918], "AML.T0011.000";
    H5_EXTERNAL = "WB-H5-001", Critical, Malicious, "An HDF5 file takes data from another file", [73], "AML.T0011.000";
    H5_MALFORMED = "WB-H5-002", Medium, Suspicious, "An HDF5 structure is malformed", [20], "";
    GRAPH_FILE_OP = "WB-TFM-001", Critical, Malicious, "A TensorFlow graph reads or writes files", [73], "AML.T0011.000";
    GRAPH_PYTHON_OP = "WB-TFM-002", Critical, Malicious, "A TensorFlow graph calls Python", [94], "AML.T0011.000";
    GRAPH_UNKNOWN_OP = "WB-TFM-003", Medium, Suspicious, "A TensorFlow graph has an operation nobody vouches for", [829], "";
    GRAPH_LIBRARY = "WB-TFM-004", High, Suspicious, "A TensorFlow model loads a library of its own", [829], "AML.T0011.000";
    LITE_CUSTOM_OP = "WB-TFL-001", Medium, Suspicious, "A TFLite model needs a custom or Flex operation", [829], "";
    LITE_NUMBERS = "WB-TFL-002", Medium, Suspicious, "A TFLite model names an operation or tensor that it does not have", [129], "";
    ONNX_ESCAPE = "WB-ONX-001", Critical, Malicious, "An ONNX tensor takes its data from outside the model's folder", [22], "AML.T0011.000";
    ONNX_EXTERNAL_MISSING = "WB-ONX-002", Medium, Suspicious, "An ONNX tensor's external data is missing or too short", [125], "";
    ONNX_PYTHON = "WB-ONX-003", Critical, Malicious, "An ONNX graph calls Python", [94], "AML.T0011.000";
    ONNX_DOMAIN = "WB-ONX-004", Medium, Suspicious, "An ONNX graph needs operations of an unknown domain", [829], "";
    ONNX_SHAPE = "WB-ONX-005", Medium, Suspicious, "An ONNX tensor's dimensions overflow", [190], "AML.T0029";
    PYTHON_IMPORT_TIME = "WB-PYC-001", Critical, Malicious, "Python code runs commands or connects when it is imported", [94], "AML.T0011.000";
    PYTHON_DYNAMIC = "WB-PYC-002", High, Suspicious, "Python code runs text as code", [95], "AML.T0011.000";
    PYTHON_NATIVE = "WB-PYC-003", High, Suspicious, "Python code loads a native library", [829], "AML.T0011.000";
    PYTHON_CREDENTIALS = "WB-PYC-004", Critical, Malicious, "Python code reads credentials or writes where programs start from", [73, 522], "AML.T0025";
    PYTHON_OBFUSCATED = "WB-PYC-005", High, Suspicious, "Python code hides what it does", [506], "AML.T0074";
    PYTHON_BYTECODE = "WB-PYC-006", High, Suspicious, "Python code is there only as bytecode", [506], "AML.T0074";
    PYTHON_RISKY_CALL = "WB-PYC-007", Medium, Suspicious, "Python code can run commands, connect or delete files when called", [749], "";
    PYTHON_ATTACK = "WB-PYC-008", Critical, Malicious, "Python code carries out an attack, whenever it is called", [506, 94], "AML.T0011.000";
    PYTHON_TAMPERING = "WB-PYC-009", High, Suspicious, "Python code changes what other code relies on", [913, 506], "AML.T0011.000";
    NOTEBOOK_SHELL = "WB-NBK-001", High, Suspicious, "A notebook runs shell commands", [78], "AML.T0011.000";
    NOTEBOOK_OUTPUT = "WB-NBK-002", Medium, Suspicious, "A notebook's stored output holds active content", [79], "";
    NOTEBOOK_INSTALLS = "WB-NBK-003", Low, Note, "A notebook installs packages from somebody's repository", [829], "AML.T0010.001";
    PAGE_ACTIVE = "WB-TXT-001", Medium, Suspicious, "A page holds active content", [79], "";
    FOREIGN_CODE = "WB-CFG-001", High, Suspicious, "The config takes code from another repository", [829, 494], "AML.T0010.001";
    LOCAL_CODE = "WB-CFG-002", Medium, Note, "The config takes code from this repository", [829], "AML.T0010.001";
    CLASS_PATH = "WB-CFG-003", Critical, Malicious, "The config names a function or class that runs code", [470], "AML.T0011.000";
    HYDRA_TARGET = "WB-CFG-004", Critical, Malicious, "The config instantiates something dangerous", [470], "AML.T0011.000";
    YAML_TAG = "WB-CFG-005", Critical, Malicious, "A YAML file makes its loader build Python objects", [502], "AML.T0011.000";
    CONFIG_ESCAPE = "WB-CFG-006", High, Suspicious, "A path in a config leaves the repository", [22], "AML.T0011.000";
    FOREIGN_INDEX = "WB-CFG-007", High, Suspicious, "Requirements come from a foreign package index or address", [829], "AML.T0010.001";
    CODE_SETTING = "WB-CFG-008", Medium, Suspicious, "A setting names code that a server will run", [829], "";
    CONFIG_DUPLICATE = "WB-CFG-009", Medium, Suspicious, "A config names a key twice", [694], "AML.T0074";
    CLASS_UNKNOWN = "WB-CFG-010", Medium, Suspicious, "The config instantiates something nobody vouches for", [470], "";
    CONFIG_BOMB = "WB-CFG-011", Medium, Suspicious, "A config grows without end when it is read", [776], "AML.T0029";
    NATIVE_EXECUTABLE = "WB-EXE-001", Critical, Malicious, "The file is a native program or library", [506], "AML.T0018.002";
    SCRIPT_FILE = "WB-EXE-002", High, Suspicious, "The file is a script", [506], "AML.T0018.002";
    LLAMAFILE = "WB-EXE-003", High, Suspicious, "The file is a model and a program at once", [506], "AML.T0018.002";
    EXECUTABLE_IN_GAP = "WB-EXE-004", High, Suspicious, "A program lies in the gap of a data file", [506], "AML.T0018.002";
    SHELL_HARM = "WB-EXE-006", Critical, Malicious, "A script runs commands that do harm", [506, 78], "AML.T0011.000";
    PORTABLE_EXECUTABLE = "WB-EXE-005", Medium, Suspicious, "The file is a compiled program for a virtual machine", [506], "AML.T0018.002";
    TABLE_PICKLE = "WB-TAB-001", High, Suspicious, "A table's schema carries a pickle", [502], "AML.T0011.000";
    R_CODE = "WB-RDS-001", Critical, Malicious, "R data carries code that runs when it is touched", [502], "AML.T0011.000";
    R_FUNCTION = "WB-RDS-002", Medium, Suspicious, "R data carries functions, or code that finds other code", [94], "";
    XML_ENTITY = "WB-XML-001", High, Suspicious, "An XML file declares entities", [611], "AML.T0011.000";
    MSGPACK_EXTENSION = "WB-MSG-001", Medium, Suspicious, "MessagePack data has an extension nobody vouches for", [502], "";
    COREML_CUSTOM = "WB-CML-001", Medium, Suspicious, "A CoreML model needs a class of the application", [829], "";
    VINO_EXTENT = "WB-OVN-001", Medium, Suspicious, "An OpenVINO constant lies outside the weights file", [125], "";
    VINO_EXTENSION = "WB-OVN-002", High, Suspicious, "An OpenVINO model names a native library", [829], "AML.T0011.000";
    PADDLE_PYTHON = "WB-PDL-001", Critical, Malicious, "A Paddle program calls Python", [94], "AML.T0011.000";
    PADDLE_FILE = "WB-PDL-002", High, Suspicious, "A Paddle program reads or writes files or connects", [73], "AML.T0011.000";
    PADDLE_UNKNOWN = "WB-PDL-003", Medium, Suspicious, "A Paddle program has an operation nobody vouches for", [829], "";
    ENGINE_OPAQUE = "WB-TRT-001", Medium, Suspicious, "The model is compiled for one processor and cannot be looked into", [506], "AML.T0018.002";
    SKOPS_NODE = "WB-SKO-001", Critical, Malicious, "A skops file builds something that runs code", [502], "AML.T0011.000";
    SKOPS_UNKNOWN = "WB-SKO-002", Medium, Suspicious, "A skops file needs a type nobody vouches for", [502], "";
    TREES_MALFORMED = "WB-TRE-001", Medium, Suspicious, "A tree model's structure is malformed", [20], "";
    LICENCE_CONFLICT = "WB-LIC-001", Info, Note, "The licence is missing or contradicts itself", [1059], "";
    SECRET = "WB-SEC-001", High, Suspicious, "The file holds a secret", [798], "";
}
