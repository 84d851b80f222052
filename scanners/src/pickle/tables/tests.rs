use super::*;

fn tier(module: &str, name: &str) -> Option<Tier> {
    look_up(module, name).map(|entry| entry.tier)
}

#[test]
fn every_line_of_the_data_is_read() {
    assert!(TABLES.faults.is_empty(), "cannot be read, or is there twice:\n{}", TABLES.faults.join("\n"));
}

#[test]
fn nothing_is_vouched_for_and_warned_of_by_name() {
    for (module, names) in &TABLES.vouched {
        for name in names.keys() {
            let warned = |table: &HashMap<_, HashMap<&str, _>>| table.get(module).is_some_and(|n| n.contains_key(name));
            assert!(!warned(&TABLES.warned) && !warned(&TABLES.below), "{module}.{name} is both");
            assert!(!name.contains('*'), "{module}.{name} vouches by a pattern");
        }
    }
}
