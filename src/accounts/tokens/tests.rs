//! What others have to know of our tokens to find them, and that how long a wrong one takes says nothing about right ones.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Instant;

use http::{HeaderMap, HeaderValue};

use super::mint::{Minted, Seed, mint, random};
use crate::{
    clock,
    domain::{
        role::Reach,
        token::{self, Class, Shape},
    },
    gate::Call,
    intake::testing::Bench,
};

fn minted(class: Class, shape: Shape) -> String {
    let expires_at = clock::now().plus_seconds(60);
    let seed = Seed {
        class,
        shape,
        name: "x",
        person_id: None,
        family: None,
        scopes: None,
        reach: &Reach::All,
        expires_at,
        by: "test",
    };
    let Minted { text, row } = mint(seed).unwrap();
    assert!(!format!("{row:?}").contains(&text));
    text
}

#[test]
fn secret_scanners_find_ours_and_leave_the_hubs_alone() {
    let gitleaks: toml::Table =
        toml::from_str(include_str!("../../../policies/secret-scanners/gitleaks.toml")).unwrap();
    let first = gitleaks["rules"][0]["regex"].as_str().unwrap().to_owned();
    let trufflehog = include_str!("../../../policies/secret-scanners/trufflehog.yaml");
    let line = trufflehog.lines().find_map(|line| line.trim().strip_prefix("token: '")).unwrap();
    assert_eq!(line.strip_suffix('\'').unwrap(), first, "both scanners look for the same");
    let rule = regex::Regex::new(&first).unwrap();
    let shapes = Class::ALL.map(|class| (class, Shape::Own)).into_iter();
    for (class, shape) in shapes.chain([(Class::Service, Shape::Hf), (Class::Personal, Shape::Hf)]) {
        let token = minted(class, shape);
        let found = rule.find(&token).unwrap();
        assert_eq!(found.as_str(), token);
        assert!(rule.is_match(&format!("HF_TOKEN=\"{token}\"\n")), "in the middle of a file");
        assert!(!rule.is_match(&format!("{token}x")) && !rule.is_match(&token[..token.len() - 1]));
        let word = gitleaks["rules"][0]["keywords"]
            .as_array()
            .unwrap()
            .iter()
            .any(|word| token.contains(word.as_str().unwrap()));
        assert!(word, "scanners look for the keyword first: {class:?}");
    }
    for hubs in
        ["hf_abcdefghijklmnopqrstuvwxyzabcdefgh", "hf_jwt_abc", "hf_oauth_abc", "hf_wbgabcdefghijklmnopqrstuvwxyzabcde"]
    {
        assert!(!rule.is_match(hubs), "{hubs}");
    }
}

/// In the manner of dudect: tokens that are nearly a right one, and tokens that are not at all, in random turns. Were there
/// a comparison that ends at the first difference, the two would take different times. Whatever else the machine does
/// falls on both alike.
#[tokio::test]
async fn how_long_a_wrong_token_takes_says_nothing_of_a_right_one() {
    let bench = Bench::on_sqlite().await;
    let right = random::<43>(62).unwrap();
    let (mut near, mut far) = (Vec::new(), Vec::new());
    for turn in 0..3000_u32 {
        let is_near = random::<1>(2).unwrap()[0] == 1;
        let mut digits = random::<43>(62).unwrap();
        if is_near {
            let last = digits[42];
            digits = right;
            digits[42] = last;
        }
        let text = token::compose(Class::Personal, Shape::Own, &digits);
        let mut headers = HeaderMap::new();
        headers.insert("authorization", HeaderValue::from_str(&format!("Bearer {text}")).unwrap());
        let began = Instant::now();
        assert!(bench.app.gate.identify(&headers, &Call::default()).await.is_err());
        let took = began.elapsed().as_secs_f64();
        // The first turns warm everything up.
        if turn > 200 {
            if is_near { near.push(took) } else { far.push(took) }
        }
    }
    let t = welch(&mut near, &mut far);
    assert!(t.abs() < 10.0, "t = {t}");
}

/// Welch's t of two samples without their slowest tenth, where other work of the machine is.
#[allow(clippy::cast_precision_loss, reason = "a few thousand samples")]
fn welch(one: &mut Vec<f64>, other: &mut Vec<f64>) -> f64 {
    let of = |sample: &mut Vec<f64>| {
        sample.sort_by(f64::total_cmp);
        sample.truncate(sample.len() * 9 / 10);
        let n = sample.len() as f64;
        let mean = sample.iter().sum::<f64>() / n;
        let spread = sample.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0);
        (mean, spread / n)
    };
    let ((a, va), (b, vb)) = (of(one), of(other));
    (a - b) / (va + vb).sqrt()
}
