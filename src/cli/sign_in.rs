//! Which Weighbridge a command talks to, and as whom: always an address and a token that belong together.
//!
//! Three pairs in order: `WEIGHBRIDGE_URL` with `WEIGHBRIDGE_TOKEN`, `HF_ENDPOINT` with `HF_TOKEN`, `HF_ENDPOINT` with what
//! `hf auth login` stored. A half pair is an error, never completed from another one, and the public hub is never sent
//! anything: our tokens are none of its business.

use std::path::Path;

use url::{Host, Url};

use crate::config::{Secret, Variables, read_secret_file, stored_sign_in, variables};

/// An address, a token, and where each was found.
#[derive(Clone, Debug)]
pub struct SignIn {
    /// Without a trailing slash.
    pub base: String,
    pub base_from: &'static str,
    /// Only doctor, on the gateway's own host, goes without one.
    pub token: Option<Secret>,
    pub token_from: String,
}

/// The pair that this process's environment names.
pub fn find() -> Result<SignIn, String> {
    choose(&variables(), read_secret_file)
}

/// Whether the environment says which Weighbridge is meant.
pub fn is_named() -> bool {
    let variables = variables();
    let set = |name: &&str| variables.get(*name).is_some_and(|text| !text.trim().is_empty());
    ["WEIGHBRIDGE_URL", "WEIGHBRIDGE_TOKEN", "HF_ENDPOINT"].iter().any(set)
}

fn choose(variables: &Variables, stored: impl FnOnce(&Path) -> Result<Secret, String>) -> Result<SignIn, String> {
    let given = |name: &str| variables.get(name).map(|text| text.trim()).filter(|text| !text.is_empty());
    let pair = |url: &str, base_from, token: &str, token_from: &str| {
        let (base, token) = (base(url, base_from)?, Some(Secret::new(token)));
        Ok(SignIn { base, base_from, token, token_from: token_from.to_owned() })
    };
    match (given("WEIGHBRIDGE_URL"), given("WEIGHBRIDGE_TOKEN")) {
        (Some(url), Some(token)) => return pair(url, "WEIGHBRIDGE_URL", token, "WEIGHBRIDGE_TOKEN"),
        (Some(_), None) => return Err("WEIGHBRIDGE_URL is set, but WEIGHBRIDGE_TOKEN is not: set both.".to_owned()),
        (None, Some(_)) => return Err("WEIGHBRIDGE_TOKEN is set, but WEIGHBRIDGE_URL is not: set both.".to_owned()),
        (None, None) => {}
    }
    let Some(url) = given("HF_ENDPOINT") else {
        let why = "Which Weighbridge? Set HF_ENDPOINT to its address and HF_TOKEN to your token (or WEIGHBRIDGE_URL and \
                   WEIGHBRIDGE_TOKEN).";
        return Err(why.to_owned());
    };
    // Before any token is looked for: one must not even be read for the public hub.
    let checked = base(url, "HF_ENDPOINT")?;
    if let Some(token) = given("HF_TOKEN") {
        return pair(url, "HF_ENDPOINT", token, "HF_TOKEN");
    }
    let none = format!("There is no token for {checked}: set HF_TOKEN, or sign in with hf auth login.");
    let file = stored_sign_in(variables).ok_or_else(|| none.clone())?;
    let token = Some(stored(&file).map_err(|why| format!("{none} ({why})"))?);
    let token_from = format!("hf auth login ({})", file.display());
    Ok(SignIn { base: checked, base_from: "HF_ENDPOINT", token, token_from })
}

fn base(text: &str, from: &str) -> Result<String, String> {
    let wrong = |why: &str| format!("{from} {why}: write it as https://host[:port][/prefix].");
    let url = Url::parse(text).map_err(|_| wrong("is not a URL"))?;
    if !matches!(url.scheme(), "https" | "http") {
        return Err(wrong("is not a web address"));
    }
    if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("has more than a host and a path"));
    }
    if is_public_hub(&url) {
        let hub = url.host_str().unwrap_or_default();
        let why = "This command talks only to a Weighbridge, so nothing was sent.";
        return Err(format!("{from} names the public hub, {hub}. {why}"));
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

fn is_public_hub(url: &Url) -> bool {
    let Some(Host::Domain(name)) = url.host() else { return false };
    let name = name.trim_end_matches('.');
    ["huggingface.co", "hf.co"].iter().any(|hub| name == *hub || name.ends_with(&format!(".{hub}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(variables: &[(&str, &str)]) -> Result<(String, String), String> {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let stored = |path: &Path| match path.to_str() {
            Some("/home/me/.cache/huggingface/token") => Ok(Secret::new("stored")),
            Some("/hf/token") => Ok(Secret::new("in HF_HOME")),
            Some("/elsewhere") => Ok(Secret::new("in HF_TOKEN_PATH")),
            _ => Err("no such file".to_owned()),
        };
        choose(&variables, stored)
            .map(|found| (found.base, found.token.map(|token| token.expose().to_owned()).unwrap_or_default()))
    }

    fn pair(base: &str, token: &str) -> (String, String) {
        (base.to_owned(), token.to_owned())
    }

    #[test]
    fn the_first_whole_pair_counts_and_pairs_are_never_mixed() {
        let own = [("WEIGHBRIDGE_URL", "https://wb.corp/hub/"), ("WEIGHBRIDGE_TOKEN", "w")];
        let hub = [("HF_ENDPOINT", "http://127.0.0.1:8080"), ("HF_TOKEN", "h")];
        assert_eq!(chosen(&[own[0], own[1], hub[0], hub[1]]), Ok(pair("https://wb.corp/hub", "w")));
        assert_eq!(chosen(&hub), Ok(pair("http://127.0.0.1:8080", "h")));
        for half in [&[own[0], hub[0], hub[1]], &[own[1], hub[0], hub[1]]] {
            assert!(chosen(half).is_err_and(|why| why.contains("set both")));
        }
        assert!(chosen(&[own[0], hub[1]]).is_err());
        assert!(chosen(&[hub[1]]).is_err() && chosen(&[hub[0]]).is_err() && chosen(&[]).is_err());
        assert_eq!(
            chosen(&[("WEIGHBRIDGE_URL", ""), hub[0], hub[1]]),
            Ok(pair("http://127.0.0.1:8080", "h")),
            "empty is not set"
        );
    }

    #[test]
    fn a_stored_sign_in_is_found_where_hf_puts_it() {
        let (endpoint, home) = (("HF_ENDPOINT", "https://wb.corp"), ("HOME", "/home/me"));
        assert_eq!(chosen(&[endpoint, home]), Ok(pair("https://wb.corp", "stored")));
        assert_eq!(chosen(&[endpoint, home, ("HF_HOME", "/hf")]), Ok(pair("https://wb.corp", "in HF_HOME")));
        assert_eq!(
            chosen(&[endpoint, ("HF_HOME", "/hf"), ("HF_TOKEN_PATH", "/elsewhere")]),
            Ok(pair("https://wb.corp", "in HF_TOKEN_PATH"))
        );
        assert!(chosen(&[endpoint, ("HOME", "/nobody")]).is_err_and(|why| why.contains("hf auth login")));
    }

    #[test]
    fn the_public_hub_is_never_an_address() {
        let hubs = [
            "https://huggingface.co",
            "https://HF.co/",
            "https://cdn.hf.co",
            "https://huggingface.co.",
            "https://api.huggingface.co/x",
        ];
        for hub in hubs {
            assert!(
                chosen(&[("HF_ENDPOINT", hub), ("HF_TOKEN", "h")]).is_err_and(|why| why.contains("nothing was sent")),
                "{hub}"
            );
            assert!(chosen(&[("WEIGHBRIDGE_URL", hub), ("WEIGHBRIDGE_TOKEN", "w")]).is_err(), "{hub}");
        }
        assert!(chosen(&[("HF_ENDPOINT", "https://huggingface.co.wb.corp"), ("HF_TOKEN", "h")]).is_ok());
        for bad in ["wb.corp", "ftp://wb.corp", "https://u:p@wb.corp", "https://wb.corp/?a"] {
            assert!(chosen(&[("HF_ENDPOINT", bad), ("HF_TOKEN", "h")]).is_err(), "{bad}");
        }
    }
}
