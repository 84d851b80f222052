//! Pickled weights beside safetensors: hidden when they hold the same numbers, and never when nobody knows.

use serde_json::{Value, json};
use weighbridge_simulator::{
    Content, Fault, Side,
    weights::{Tensor, safetensors, torch, torch_legacy},
};

use crate::{intake::testing::Bench, jobs::State};

impl Bench {
    /// Pushes these files, has them inspected, and says what is known of the twin of each `.bin`: its state, and how.
    async fn twins(&self, repo: &str, files: Vec<(&str, Content)>) -> Vec<(String, String)> {
        let mut push = self.hub.model(repo).commit("Add");
        for (path, content) in files {
            push = push.lfs(path, content);
        }
        push.push();
        assert_eq!(self.examine(&format!("{repo}@main")).await, State::Done);
        let mut found = Vec::new();
        for body in self.pickles(repo).await {
            let word = |field: &str| body["twin"][field].as_str().unwrap_or_default().to_owned();
            found.push((word("state"), word("how")));
        }
        found
    }

    async fn pickles(&self, repo: &str) -> Vec<Value> {
        let bodies = self.texts(&of(repo, "report.body", "report")).await;
        bodies.iter().map(|body| serde_json::from_str(body).unwrap()).collect()
    }

    async fn hidden(&self, repo: &str) -> Vec<String> {
        self.texts(&of(repo, "hidden_file.path", "hidden_file")).await
    }
}

fn of(repo: &str, column: &str, table: &str) -> String {
    format!(
        "SELECT {column} FROM {table} JOIN revision ON revision.id = {table}.revision_id JOIN repository ON \
         repository.id = repository_id WHERE repository.name = '{repo}' AND {table}.path LIKE '%.bin' ORDER BY {table}.path"
    )
}

fn numbers(seed: u64, bytes: u64) -> Content {
    Content::generated(seed, bytes)
}

/// The same with its last byte changed.
fn other_end(content: &Content) -> Content {
    let last = content.read(content.len() - 1, 1);
    content.resized(content.len() - 1).then(&Content::bytes(vec![last[0] ^ 1]))
}

/// Two tensors in one storage, two names of one tensor, and another type.
fn pickled(storage: &Content, half: &Content, order: Option<&str>) -> Content {
    let tensors = [
        Tensor::new("a", 0, &[4, 8]),
        Tensor::new("b", 0, &[32]).at(32),
        Tensor::new("tied", 0, &[32]).at(32),
        Tensor::new("half", 1, &[2, 5]),
    ];
    torch(&tensors, &[("Float", 4, storage.clone()), ("BFloat16", 2, half.clone())], order)
}

fn safe(storage: &Content, half: &Content) -> Content {
    let cut = |from| Content::bytes(storage.read(from, 128));
    safetensors(&[
        ("half", "BF16", &[2, 5], half.clone()),
        ("b", "F32", &[32], cut(128)),
        ("a", "F32", &[4, 8], cut(0)),
    ])
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_numbers_hide_a_pickle_and_others_are_a_finding() {
    let bench = Bench::on_sqlite().await;
    let (storage, half) = (numbers(1, 256), numbers(2, 20));
    for (repo, order) in [("acme/same", None), ("acme/little", Some("little"))] {
        let files =
            vec![("model.safetensors", safe(&storage, &half)), ("pytorch_model.bin", pickled(&storage, &half, order))];
        let how = "equal to model.safetensors by name, type, shape and all bytes".to_owned();
        assert_eq!(bench.twins(repo, files).await, [("equal".to_owned(), how)]);
        assert_eq!(bench.hidden(repo).await, ["pytorch_model.bin"]);
    }
    let files = vec![
        ("model.safetensors", safe(&other_end(&storage), &half)),
        ("pytorch_model.bin", pickled(&storage, &half, None)),
    ];
    let found = bench.twins("acme/other", files).await;
    assert_eq!(found, [("unequal".to_owned(), "of model.safetensors, `b` has other numbers".to_owned())]);
    let body = bench.pickles("acme/other").await.remove(0);
    assert_eq!(body["findings"][0]["rule"], "WB-TWIN-001");
    assert_eq!(body["findings"][0]["severity"], "medium");
    assert!(bench.hidden("acme/other").await.is_empty(), "it is somebody's to look at");
    // A tensor that the safe file lacks.
    let more = torch(
        &[Tensor::new("a", 0, &[4, 8]), Tensor::new("extra", 0, &[3]).at(40)],
        &[("Float", 4, storage.clone())],
        None,
    );
    let files = vec![("model.safetensors", safe(&storage, &half)), ("pytorch_model.bin", more)];
    let found = bench.twins("acme/more", files).await;
    assert_eq!(found, [("unequal".to_owned(), "of model.safetensors, `extra` is not there".to_owned())]);
    assert!(bench.hidden("acme/more").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_compared_is_not_known_and_hides_nothing() {
    let bench = Bench::on_sqlite().await;
    let storage = numbers(1, 128);
    let safe = || safetensors(&[("a", "F32", &[4, 8], storage.clone())]);
    let float = || [("Float", 4, storage.clone())];
    let turned = torch(&[Tensor::new("a", 0, &[4, 8]).strides(&[1, 4])], &float(), None);
    let big = torch(&[Tensor::new("a", 0, &[4, 8])], &float(), Some("big"));
    for (repo, pickle) in [("acme/turned", turned), ("acme/big", big)] {
        let files = vec![("model.safetensors", safe()), ("pytorch_model.bin", pickle)];
        let found = bench.twins(repo, files).await;
        assert!(found[0].0 == "missing" && found[0].1.contains("`a` do not lie in one piece"), "{repo}: {found:?}");
        assert!(bench.hidden(repo).await.is_empty(), "{repo}");
    }
    // The header is known from above; the numbers the hub does not give any more.
    let pickle = torch(&[Tensor::new("a", 0, &[4, 8])], &float(), None);
    bench.hub.fault(Fault::status(404).on("model.safetensors").side(Side::Cdn));
    let files = vec![("model.safetensors", safe()), ("pytorch_model.bin", pickle)];
    let found = bench.twins("acme/shy", files).await;
    assert_eq!(found[0].0, "missing", "{found:?}");
    assert!(bench.hidden("acme/shy").await.is_empty());
}

/// What torch wrote before it wrote archives lies in one piece too.
#[tokio::test(flavor = "multi_thread")]
async fn old_torch_files_are_compared_like_new_ones() {
    let bench = Bench::on_sqlite().await;
    let (first, second) = (numbers(1, 128), numbers(2, 64));
    let tensors = [Tensor::new("a", 0, &[4, 4]), Tensor::new("b", 0, &[4, 4]).at(16), Tensor::new("c", 1, &[16])];
    let pickle = torch_legacy(&tensors, &[("Float", 4, first.clone()), ("Float", 4, second.clone())]);
    let safe = |c: Content| {
        let cut = |from| Content::bytes(first.read(from, 64));
        safetensors(&[("c", "F32", &[16], c), ("b", "F32", &[4, 4], cut(64)), ("a", "F32", &[4, 4], cut(0))])
    };
    let files = vec![("model.safetensors", safe(second.clone())), ("pytorch_model.bin", pickle.clone())];
    let found = bench.twins("acme/old", files).await;
    assert_eq!(found[0].0, "equal", "{found:?}");
    assert_eq!(bench.hidden("acme/old").await, ["pytorch_model.bin"]);
    let files = vec![("model.safetensors", safe(other_end(&second))), ("pytorch_model.bin", pickle)];
    let found = bench.twins("acme/older", files).await;
    assert_eq!(found, [("unequal".to_owned(), "of model.safetensors, `c` has other numbers".to_owned())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn weights_in_parts_are_compared_over_all_parts() {
    let bench = Bench::on_sqlite().await;
    let all: Vec<Content> = (0..4).map(|n| numbers(n, 64)).collect();
    let part = |names: &[usize]| {
        let tensors: Vec<Tensor> =
            names.iter().enumerate().map(|(place, n)| Tensor::new(&format!("t{n}"), place, &[16])).collect();
        let storages: Vec<_> = names.iter().map(|n| ("Float", 4, all[*n].clone())).collect();
        torch(&tensors, &storages, None)
    };
    let safe = |names: &[usize]| {
        let named: Vec<String> = names.iter().map(|n| format!("t{n}")).collect();
        let tensors: Vec<_> =
            names.iter().zip(&named).map(|(n, name)| (name.as_str(), "F32", &[16_u64][..], all[*n].clone())).collect();
        safetensors(&tensors)
    };
    let files = vec![
        ("model-00001-of-00003.safetensors", safe(&[3])),
        ("model-00002-of-00003.safetensors", safe(&[0, 1])),
        ("model-00003-of-00003.safetensors", safe(&[2])),
        // Half of it once more, under its own name: not a part of the set.
        ("ema.safetensors", safe(&[0])),
        ("pytorch_model-00001-of-00002.bin", part(&[0, 1, 2])),
        ("pytorch_model-00002-of-00002.bin", part(&[3])),
    ];
    let found = bench.twins("acme/parts", files).await;
    assert!(found.iter().all(|(state, _)| state == "equal"), "{found:?}");
    let hidden = ["pytorch_model-00001-of-00002.bin", "pytorch_model-00002-of-00002.bin"];
    assert_eq!(bench.hidden("acme/parts").await, hidden);
}

/// Large weights are compared by samples of every tensor, and the first and the last byte are among them.
#[tokio::test(flavor = "multi_thread")]
async fn large_weights_are_compared_by_a_sample_of_every_tensor() {
    let bench = Bench::on_sqlite().await;
    let size = 40_u64 << 20;
    let shape = [size / 4];
    let (first, second) = (numbers(1, size), numbers(2, size));
    let both = |first: &Content, second: &Content| {
        safetensors(&[("one", "F32", &shape, first.clone()), ("two", "F32", &shape, second.clone())])
    };
    let pickle = torch(
        &[Tensor::new("one", 0, &shape), Tensor::new("two", 1, &shape)],
        &[("Float", 4, first.clone()), ("Float", 4, second.clone())],
        None,
    );
    let files = vec![("model.safetensors", both(&first, &second)), ("pytorch_model.bin", pickle.clone())];
    let found = bench.twins("acme/large", files).await;
    let how = "equal to model.safetensors by name, type, shape and sampled bytes".to_owned();
    assert_eq!(found, [("equal".to_owned(), how)]);
    assert_eq!(bench.hidden("acme/large").await, ["pytorch_model.bin"]);
    for file in ["model.safetensors", "pytorch_model.bin"] {
        let counts = bench.hub.counts(file);
        let sent: u64 = counts.iter().filter(|count| count.side == Side::Cdn).map(|count| count.body_bytes).sum();
        assert!(sent < size / 50, "{sent} bytes of {file} were fetched");
    }
    // What was compared is remembered: the files that are served later must hold it.
    let ranges = bench.texts("SELECT ranges FROM report WHERE path = 'model.safetensors'").await.remove(0);
    let kept: Vec<Value> = serde_json::from_str(&ranges).unwrap();
    let end = both(&first, &second).len();
    assert!(kept.iter().any(|one| one["end"] == json!(end)), "{kept:?}");

    let files = vec![("model.safetensors", both(&first, &other_end(&second))), ("pytorch_model.bin", pickle.clone())];
    let found = bench.twins("acme/end", files).await;
    assert_eq!(found, [("unequal".to_owned(), "of model.safetensors, `two` has other numbers".to_owned())]);
    let begun = Content::bytes(vec![first.read(0, 1)[0] ^ 1]).then(&Content::bytes(first.read(1, usize::MAX)));
    let files = vec![("model.safetensors", both(&begun, &second)), ("pytorch_model.bin", pickle)];
    let found = bench.twins("acme/begin", files).await;
    assert_eq!(found, [("unequal".to_owned(), "of model.safetensors, `one` has other numbers".to_owned())]);
}
