//! The text fits a terminal, and the script has the same lines.

use super::{
    guide,
    steps::{Place, all, setup},
};
use crate::{config::Variables, domain::role::Role};

fn place(has_hf: bool, variables: &[&str]) -> Place {
    let token = format!("wbgs_{}", "a".repeat(49));
    Place {
        url: "http://127.0.0.1:65535".to_owned(),
        hub: "http://127.0.0.1:65534".to_owned(),
        folder: "/tmp/weighbridge-demo-0a1b2c3d".to_owned(),
        programs: "/home/somebody/weighbridge/target/release".to_owned(),
        tokens: Role::ALL.map(|role| (role, token.clone())).to_vec(),
        decision: "01JD0000000000000000000000".to_owned(),
        good: "0".repeat(40),
        bad: "f".repeat(40),
        has_hf,
        push_after: 60,
        variables: variables.iter().map(|name| ((*name).to_owned(), "x".to_owned())).collect::<Variables>(),
    }
}

#[test]
fn the_text_fits_eighty_columns_and_says_what_the_script_runs() {
    for has_hf in [true, false] {
        let place = place(has_hf, &["HF_HUB_CACHE", "https_proxy"]);
        let (text, script) = (guide::text(&place), guide::script(&place, 1));
        let wide: Vec<_> = text.lines().filter(|line| line.chars().count() > 80).collect();
        assert!(wide.is_empty(), "{}", wide.join("\n"));
        assert!(text.is_ascii() && script.is_ascii());
        let runs = all(&place).into_iter().flat_map(|step| step.lines).map(|line| line.run);
        for run in runs.chain(setup(&place)) {
            assert!(script.contains(&format!("\n{run}\n")), "{run}");
            assert!(text.contains(&format!("\n  {run}\n")), "{run}");
        }
        assert_eq!(text.contains("pip install"), !has_hf);
    }
}

/// Somebody whose shell has a cache, a gateway or a proxy of its own does not end up there.
#[test]
fn what_leads_elsewhere_is_put_aside() {
    let lines = setup(&place(true, &["HF_HUB_CACHE", "WEIGHBRIDGE_TOKEN", "HTTP_PROXY"])).join("\n");
    assert!(lines.contains("unset HF_HUB_CACHE WEIGHBRIDGE_TOKEN\n"), "{lines}");
    assert!(lines.contains("NO_PROXY=127.0.0.1"), "{lines}");
    let lines = setup(&place(true, &[])).join("\n");
    assert!(!lines.contains("unset") && !lines.contains("NO_PROXY"), "{lines}");
}
