#!/usr/bin/env python3
"""Proposes lines for data/globals: which globals do pickles of these libraries name, and which are not listed yet?

Run by hand, read what it prints, and copy what you vouch for. Two ways, which find different things:

  regenerate.py classes FOLDER PACKAGE PATTERN...   reads a library's source (an unpacked wheel, say), imports nothing, and
      prints each class of the modules that match (`torch.nn.modules.*`; `!torch.jit.*` leaves out) whose making and state
      run no code of its own: neither it nor a base defines __new__, __setstate__ or __del__. The others come last, as
      comments that name the methods to be read first.
  regenerate.py observed     pickles many benign objects of the libraries installed where it runs, in protocols 2 to 5, and
      prints every global that they name.

Only what no file in data/globals has yet is printed. Functions are proposed by `observed` alone.
"""

import ast
import fnmatch
import pathlib
import sys

HERE = pathlib.Path(__file__).parent
HOOKS = {"__new__", "__setstate__", "__del__"}
# Methods of bases that were read and only keep or update what they are given.
READ = {
    "torch.nn.modules.module.Module", "torch.optim.optimizer.Optimizer", "sklearn.base.BaseEstimator",
    "torch.nn.parallel.distributed.DistributedDataParallel", "torch.ao.quantization.observer.ObserverBase",
    "sklearn.utils._metadata_requests.MetadataRequest", "typing.NamedTuple", "typing.Generic",
    "typing.Protocol", "abc.ABC", "enum.Enum", "enum.IntEnum", "enum.Flag", "enum.IntFlag", "torch.autograd.function.Function",
}
ITEMS = {"builtins.dict", "builtins.list", "builtins.set", "dict", "list", "set", "collections.OrderedDict", "collections.UserDict",
         "collections.UserList", "collections.defaultdict", "collections.Counter"}


class Module:
    """One source file: its classes, and what its names mean."""

    def __init__(self, name, path):
        self.name, self.classes, self.means = name, {}, {}
        try:
            tree = ast.parse(path.read_text(encoding="utf-8", errors="replace"))
        except (SyntaxError, ValueError):
            return
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        nodes = list(tree.body)
        for node in nodes:
            if isinstance(node, (ast.If, ast.Try)):
                nodes += node.body + node.orelse + [n for h in getattr(node, "handlers", []) for n in h.body]
            elif isinstance(node, ast.ImportFrom):
                above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
                base = ".".join(above + ([node.module] if node.module else []))
                self.means.update({a.asname or a.name: f"{base}.{a.name}" for a in node.names})
            elif isinstance(node, ast.Import):
                self.means.update({a.asname or a.name.split(".")[0]: a.name if a.asname else a.name.split(".")[0] for a in node.names})
            elif isinstance(node, ast.ClassDef):
                self.classes[node.name] = node

    def path_of(self, node):
        """`nn.Module` as a full name."""
        while isinstance(node, ast.Subscript):
            node = node.value
        parts = []
        while isinstance(node, ast.Attribute):
            parts.insert(0, node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return "?"
        first = f"{self.name}.{node.id}" if node.id in self.classes else self.means.get(node.id, node.id)
        return ".".join([first] + parts)


class Library:
    """Every module below a folder."""

    def __init__(self, folder):
        self.modules = {}
        for path in sorted(pathlib.Path(folder).rglob("*.py")):
            parts = list(path.relative_to(folder).with_suffix("").parts)
            if parts[-1] == "__init__":
                parts.pop()
            name = ".".join(parts)
            if parts and "tests" not in parts:
                self.modules[name] = Module(name, path)

    def find(self, path, seen=0):
        """The module and class that a full name means, through re-exports."""
        module, _, name = path.rpartition(".")
        found = self.modules.get(module)
        if found is None or seen > 8:
            return None
        if name in found.classes:
            return found, name
        return self.find(found.means[name], seen + 1) if name in found.means and found.means[name] != path else None

    def hooks(self, path, seen=()):
        """Methods that making it or giving it a state would run, in it and its bases; and whether it takes items."""
        found = self.find(path)
        if path in ITEMS:
            return set(), True
        if found is None or path in seen:
            return set(), False
        module, name = found
        full = f"{module.name}.{name}"
        node = module.classes[name]
        own = {n.name for n in node.body if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef))}
        hooks = set() if full in READ else {f"{full}.{hook}" for hook in own & HOOKS}
        items = False
        for base in node.bases:
            more, takes = self.hooks(module.path_of(base), (*seen, path))
            hooks, items = hooks | more, items or takes
        return hooks, items


def sentence(doc, module, kind="class"):
    """The first line of a docstring as a plain sentence, or what is known without one."""
    line = " ".join((doc or "").strip().split("\n\n")[0].split()).split(". ")[0].strip(" .:") if doc else ""
    plain = line and line[0].isalpha() and line.isascii() and 12 < len(line) < 100 and not set(line) & set("|`{}<>\\[]")
    return f"{line[0].upper()}{line[1:]}." if plain else f"A {kind} of {module.split('.')[0]}."


def listed():
    known = set()
    for path in (HERE / "globals").glob("*.txt"):
        known |= {line.split("|")[0].strip() for line in path.read_text().splitlines() if line and line[0] != "#"}
    return known


def classes(folder, package, patterns):
    library, known = Library(folder), listed()
    wanted = [p for p in patterns if not p.startswith("!")]
    unwanted = [p[1:] for p in patterns if p.startswith("!")]
    for_review = []
    for module in library.modules.values():
        if not module.name.startswith(package) or not any(fnmatch.fnmatch(module.name, p) for p in wanted):
            continue
        if any(fnmatch.fnmatch(module.name, p) for p in unwanted):
            continue
        for name, node in module.classes.items():
            if f"{module.name} {name}" in known or any(fnmatch.fnmatch(f"{module.name}.{name}", p) for p in unwanted):
                continue
            hooks, items = library.hooks(f"{module.name}.{name}")
            bases = [module.path_of(base) for base in node.bases]
            enum = any(b.split(".")[-1] in ("Enum", "IntEnum", "StrEnum", "ExplicitEnum", "Flag", "BaseEnum") for b in bases)
            uses = ("import call" if enum else "import new state") + (" items" if items else "")
            line = f"{module.name} {name} | {uses} | {'plain' if enum else 'any'} | {sentence(ast.get_docstring(node), module.name)}"
            for_review.append(f"# {line} READ {', '.join(sorted(hooks))}") if hooks else print(line)
    print("\n".join(for_review))


def listed_uses():
    rows = {}
    for path in (HERE / "globals").glob("*.txt"):
        for line in path.read_text().splitlines():
            if line and line[0] != "#":
                columns = [column.strip() for column in line.split("|")]
                rows[columns[0]] = set(columns[1].split())
    return rows


def observed():
    import io
    import pickle

    import regenerate_objects

    seen = {}

    class Watcher(pickle._Pickler):
        """Python's own pickler, watched: which globals does it write, and for which use?"""

        def use(self, one, kind):
            name = getattr(one, "__qualname__", None) or getattr(one, "__name__", "?")
            seen.setdefault(f"{pickle.whichmodule(one, name)} {name}", [set(), self.what])[0].add(kind)

        def save_global(self, obj, name=None):
            super().save_global(obj, name)
            self.use(obj, "import")

        def save_reduce(self, func, args, state=None, listitems=None, dictitems=None, *more, obj=None, **named):
            new = getattr(func, "__name__", "") in ("__newobj__", "__newobj_ex__")
            made = args[0] if new else func
            self.use(made, "new" if new else "call")
            if state is not None:
                self.use(type(obj) if isinstance(obj, object) and obj is not None and not isinstance(made, type) else made, "state")
            if listitems is not None or dictitems is not None:
                self.use(made, "items")
            super().save_reduce(func, args, state, listitems, dictitems, *more, obj=obj, **named)

    for name, one in regenerate_objects.objects():
        for protocol in (2, 3, 4, 5):
            watcher = Watcher(io.BytesIO(), protocol)
            watcher.what = name
            try:
                watcher.dump(one)
            except Exception as problem:  # Some cannot be pickled, and that is no concern of ours.
                print(f"# {name}: {type(problem).__name__}", file=sys.stderr)
                break
    known = listed_uses()
    for path, (uses, name) in sorted(seen.items()):
        missing = uses - known.get(path, set())
        if missing:
            order = [kind for kind in ("import", "call", "new", "state", "items") if kind in uses]
            print(f"{path} | {' '.join(order)} | any | Seen in {name}.{' Lacks ' + ' '.join(sorted(missing)) if path in known else ''}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["observed"]:
        observed()
    elif sys.argv[1:2] == ["classes"] and len(sys.argv) > 4:
        classes(sys.argv[2], sys.argv[3], sys.argv[4:])
    else:
        sys.exit(__doc__)
