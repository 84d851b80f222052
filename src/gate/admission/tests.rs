//! The admission plane as a whole: the shipped rules under every profile, the traps, both evaluators against each other.

use super::*;

async fn everyone() -> Result<Vec<Admission>, Fault> {
    let mut all = Vec::new();
    for (name, _) in PROFILES {
        all.push(Admission::built_in(name).await?);
    }
    Ok(all)
}

#[tokio::test]
async fn the_shipped_rules_answer_as_their_tests_say() -> Result<(), Fault> {
    let cases = cases::read(include_str!("../../../policies/tests/admission.toml"))?;
    let (asked, wrong) = cases::run(&cases, &everyone().await?);
    assert!(wrong.is_empty(), "{} of {asked}:\n{}", wrong.len(), wrong.join("\n"));
    Ok(())
}
