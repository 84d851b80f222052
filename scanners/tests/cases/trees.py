"""Models of XGBoost, LightGBM and CatBoost in their own formats, and what goes wrong in them."""

import json
import struct

import lightgbm
import xgboost

import estimators
from cases import floats, noise
from native import elf
from pickle_code import payload


def make(cases):
    family = cases.family("trees")
    xgb(family)
    lgbm(family)
    catboost(family)


def booster(**params):
    data = xgboost.DMatrix(estimators.ROWS, estimators.CLASSES)
    return xgboost.train({"max_depth": 3, "nthread": 1, "objective": "binary:logistic", **params}, data, 4)


def xgb(family):
    rows = {"plain": {}, "regression": {"objective": "reg:squarederror"}, "linear": {"booster": "gblinear"}, "dart": {"booster": "dart"}, "depth": {"max_depth": 6}}
    for case, params in rows.items():
        made = booster(**params)
        family.benign(f"xgboost-{case}-json", "model.json", bytes(made.save_raw("json")), f"XGBoost as JSON: {case}")
        family.benign(f"xgboost-{case}-ubj", "model.ubj", bytes(made.save_raw("ubj")), f"XGBoost as UBJSON: {case}")
    named = booster()
    named.set_attr(best_iteration="3", scikit_learn='{"_estimator_type": "classifier"}')
    family.benign("xgboost-attributes", "model.ubj", bytes(named.save_raw("ubj")), "attributes of a booster")
    family.benign("xgboost-configuration", "config.json", named.save_config(), "a booster's configuration")
    family.benign("xgboost-dump", "dump.raw.txt", "".join(f"booster[{n}]:\n{tree}" for n, tree in enumerate(named.get_dump())), "trees as text")
    family.benign("xgboost-binary", "model.model", b"binf" + struct.pack("<fIi", 0.5, 5, 0) + floats(64, 1), "the binary format of before: nothing tells much of it", complete=False)
    family.benign("ubjson-settings", "settings.ubj", b"{i\x01a[i\x01D@\x04\0\0\0\0\0\0Si\x04textZT]i\x01b{i\x01cSi\x05bytes}}", "plain values as UBJSON")
    good = bytes(booster().save_raw("ubj"))
    bad = [
        ("length", b"{L\0\0\0\0\0\0\0\x05value[$d#L\x7f\xff\xff\xff\xff\xff\xff\xff", "an array of the largest count"),
        ("length-negative", b"{L\0\0\0\0\0\0\0\x05value[#L\xff\xff\xff\xff\xff\xff\xff\xff", "an array of a negative count"),
        ("key-length", b"{L\x7f\xff\xff\xff\xff\xff\xff\xff", "a key of the largest length"),
        ("deep", b"[" * 200000, "two hundred thousand arrays in one another"),
        ("cut", good[:200], "a cut model"),
        ("text-length", b"{i\x01aSL\x00\xff\xff\xff\xff\xff\xff\xff", "a text longer than memory"),
        ("kind", b"{i\x01aQ}", "a kind of value that does not exist"),
        ("no-values", b"{i\x01a[$Z#L\x7f\xff\xff\xff\xff\xff\xff\xff", "as many nulls as the count says, and no byte for any"),
    ]
    for case, data, note in bad:
        family.suspicious(f"ubj-{case}", "model.ubj", data, note)
    tree = json.loads(bytes(booster().save_raw("json")))
    first = tree["learner"]["gradient_booster"]["model"]["trees"][0]
    first["left_children"][0], first["right_children"][0] = 1 << 30, -7
    family.suspicious("xgboost-children", "model.json", json.dumps(tree), "children outside the tree")
    family.malicious("ubj-pickle", "model.ubj", payload(), "a pickle under the name of UBJSON")
    family.malicious("model-pickle", "xgb.model", payload(2), "a pickle under the name of a booster")
    family.malicious("json-tail", "model.json", bytes(booster().save_raw("json")) + payload(), "a pickle behind a model in JSON")
    family.malicious("ubj-tail", "model.ubj", good + elf(), "a program behind a model in UBJSON")


def lgbm(family):
    train = lambda **params: lightgbm.train({"verbose": -1, "num_threads": 1, **params}, lightgbm.Dataset(estimators.ROWS, estimators.CLASSES), 4)
    for case, params in {"plain": {}, "binary": {"objective": "binary"}, "dart": {"boosting": "dart"}, "leaves": {"num_leaves": 40}}.items():
        family.benign(f"lightgbm-{case}", "model.txt", train(**params).model_to_string(), f"LightGBM: {case}")
    family.benign("lightgbm-json", "model.json", json.dumps(train().dump_model()), "LightGBM as JSON")
    text = train().model_to_string()
    family.suspicious("lightgbm-leaves-lie", "model.txt", text.replace("num_leaves=", "num_leaves=99999999999"), "more leaves than memory")
    family.suspicious("lightgbm-sizes", "model.txt", text.replace("tree_sizes=", "tree_sizes=-5 "), "a negative size of a tree")
    family.malicious("lightgbm-pickle", "lgbm.txt", payload(0), "a pickle of protocol 0 under the name of LightGBM")
    family.malicious("lightgbm-tail", "model.txt", text.encode() + payload(2), "a pickle behind LightGBM")
    family.malicious("lightgbm-parameters", "model.txt", text.replace("parameters:", "parameters:\n[input_model: /etc/passwd]\n[output_model: /tmp/weighbridge]\n[machine_list_filename: http://127.0.0.1/]"), "parameters with paths of the system")


def catboost(family):
    family.benign("catboost", "model.cbm", cbm(floats(60, 2)), "CatBoost: a head and a table", complete=False)
    family.benign("catboost-json", "model.json", json.dumps({"oblivious_trees": [{"leaf_values": [0.1, 0.2], "leaf_weights": [3, 4], "splits": [{"border": 0.5, "float_feature_index": 0, "split_index": 0, "split_type": "FloatFeature"}]}], "features_info": {"float_features": [{"feature_index": 0, "borders": [0.5]}]}, "model_info": {"catboost_version_info": "Git info"}}), "CatBoost as JSON")
    family.benign("catboost-log", "catboost_info/learn_error.tsv", "iter\tLogloss\n0\t0.69\n1\t0.65\n", "CatBoost's log")
    family.malicious("catboost-pickle", "model.cbm", payload(), "a pickle under the name of CatBoost")
    family.malicious("catboost-tail", "model.cbm", cbm(floats(60, 2)) + payload(), "a pickle behind CatBoost")
    family.suspicious("catboost-length", "model.cbm", b"CBM1" + struct.pack("<I", 0xFFFFFFF0) + noise(40, 3), "a length beyond the file")


def cbm(body):
    import flatbuffers

    builder = flatbuffers.Builder(64)
    version = builder.CreateString("FlabuffersModel_v1")
    raw = builder.CreateByteVector(body)
    builder.StartObject(3)
    builder.PrependUOffsetTRelativeSlot(0, version, 0)
    builder.PrependUOffsetTRelativeSlot(1, raw, 0)
    builder.Finish(builder.EndObject())
    made = bytes(builder.Output())
    return b"CBM1" + struct.pack("<I", len(made)) + made
