"""XML that holds models: PMML and OpenVINO; entities, foreign files and sizes that lie."""

import struct

from cases import floats
from native import elf

PMML = """<?xml version="1.0" encoding="UTF-8"?>%s
<PMML xmlns="http://www.dmg.org/PMML-4_4" version="4.4">
  <Header copyright="a lab"><Application name="sklearn2pmml" version="0.100"/></Header>
  <DataDictionary><DataField name="x" optype="continuous" dataType="double"/><DataField name="y" optype="continuous" dataType="double"/></DataDictionary>
  <RegressionModel functionName="regression"><MiningSchema><MiningField name="x"/><MiningField name="y" usageType="target"/></MiningSchema>
    <RegressionTable intercept="0.5"><NumericPredictor name="x" coefficient="2.0"/></RegressionTable></RegressionModel>
  %s
</PMML>
"""
NET = """<?xml version="1.0"?>%s
<net name="small" version="11">
  <layers>
    <layer id="0" name="x" type="Parameter" version="opset1"><data shape="1,4" element_type="f32"/><output><port id="0" precision="FP32"><dim>1</dim><dim>4</dim></port></output></layer>
    <layer id="1" name="w" type="Const" version="opset1"><data element_type="f32" shape="4,4" offset="%s" size="%s"/><output><port id="0" precision="FP32"><dim>4</dim><dim>4</dim></port></output></layer>
    <layer id="2" name="y" type="%s" version="%s"><input><port id="0"/><port id="1"/></input><output><port id="2" precision="FP32"/></output></layer>
  </layers>
  <edges><edge from-layer="0" from-port="0" to-layer="2" to-port="0"/><edge from-layer="1" from-port="0" to-layer="2" to-port="1"/></edges>
  %s
</net>
"""
SYSTEM = '<!DOCTYPE %s [<!ENTITY x SYSTEM "%s">]>'


def make(cases):
    pmml(cases.family("pmml"))
    openvino(cases.family("openvino"))


def pmml(family):
    family.benign("regression", "model.pmml", PMML % ("", ""), "a regression")
    family.benign("cdata", "model.pmml", PMML % ("", '<Extension name="script"><![CDATA[<!DOCTYPE x [<!ENTITY a "b">]>]]></Extension>'), "a text which only quotes a document type")
    family.benign("comment", "model.xml", PMML % ("<!-- <!ENTITY x SYSTEM 'a'> -->", ""), "a comment which only quotes an entity")
    rows = [
        ("entity-file", PMML % (SYSTEM % ("PMML", "file:///etc/passwd"), "<Extension>&x;</Extension>")),
        ("entity-address", PMML % (SYSTEM % ("PMML", "http://127.0.0.1/x"), "<Extension>&x;</Extension>")),
        ("parameter-entity", PMML % ('<!DOCTYPE PMML [<!ENTITY % e SYSTEM "http://127.0.0.1/x.dtd"> %e;]>', "")),
        ("external-type", PMML % ('<!DOCTYPE PMML SYSTEM "http://127.0.0.1/x.dtd">', "")),
        ("public-type", PMML % ('<!DOCTYPE PMML PUBLIC "a" "http://127.0.0.1/x.dtd">', "")),
        ("include", PMML % ("", '<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="file:///etc/passwd" parse="text"/>')),
        ("small-letters", PMML % ('<!DOCTYPE PMML [<!ENTITY x SYSTEM \'file:///etc/passwd\'>]>', "&x;")),
    ]
    for case, text in rows:
        family.malicious(case, "model.pmml", text, f"XML that reads something else: {case}")
    family.malicious("utf-16", "model.pmml", (PMML % (SYSTEM % ("PMML", "file:///etc/passwd"), "&x;")).replace("UTF-8", "UTF-16").encode("utf-16"), "the same in UTF-16")
    family.malicious("utf-7", "model.pmml", (PMML % (SYSTEM % ("PMML", "file:///etc/passwd"), "&x;")).replace("UTF-8", "UTF-7").encode("utf-7"), "the same in UTF-7")
    laughs = "<!DOCTYPE PMML [" + '<!ENTITY a "lol">' + "".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(9)) + "]>"
    family.suspicious("billion-laughs", "model.pmml", PMML % (laughs, "&j;"), "entities that grow without end")
    family.suspicious("deep", "model.pmml", PMML % ("", "<Extension>" * 50000 + "</Extension>" * 50000), "fifty thousand elements in one another")
    family.suspicious("broken", "model.pmml", (PMML % ("", ""))[:300], "a cut document")
    family.suspicious("stylesheet", "model.pmml", PMML % ('<?xml-stylesheet type="text/xsl" href="http://127.0.0.1/x.xsl"?>', ""), "a style from elsewhere")


def openvino(family):
    net = lambda top="", offset=0, size=64, kind="MatMul", version="opset1", more="": NET % (top, offset, size, kind, version, more)
    information = '<rt_info><MO_version value="2024.0"/><conversion_parameters><framework value="pytorch"/></conversion_parameters></rt_info>'
    family.benign("plain", "openvino_model.xml", net(more=information), "a small network")
    family.benign("plain", "openvino_model.bin", floats(16, 1), "its weights", complete=False)
    rows = [
        ("entity", net(SYSTEM % ("net", "file:///etc/passwd"), more="&x;"), "malicious", "an entity that reads a file"),
        ("include", net(more='<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="/etc/passwd"/>'), "malicious", "an include of a file"),
        ("offset", net(offset=1 << 40), "suspicious", "weights behind the end of their file"),
        ("negative", net(offset=-8), "suspicious", "a negative offset"),
        ("size", net(size=(1 << 64) - 1), "suspicious", "a size that overflows"),
        ("custom", net(kind="MyOp", version="extension"), "suspicious", "a layer of an extension, which is a native library"),
        ("laughs", net('<!DOCTYPE net [<!ENTITY a "x"><!ENTITY b "&a;&a;&a;">]>', more="&b;"), "suspicious", "entities of entities"),
        ("library", net(more='<rt_info><extension value="libcustom.so"/></rt_info>'), "suspicious", "names a library"),
    ]
    for case, text, label, note in rows:
        family.labelled(label, case, "model.xml", text, note)
        family.benign(case, "model.bin", floats(16, 2), "the weights beside it", complete=False)
    family.malicious("weights-elf", "model.bin", elf(), "a program for weights")
    family.benign("weights-elf", "model.xml", net(size=len(elf()) // 4 * 4), "the network beside it")
    family.suspicious("blob", "model.blob", struct.pack("<I", 0) + elf(2, 8)[:20] + bytes(100), "a compiled network")
