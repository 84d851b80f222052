//! Making the text of a token and the row that knows it.
//!
//! Never writes the row, and never keeps the text: whoever makes a token shows it once.

use crate::{
    clock,
    domain::{
        refusal::Fault,
        role::Reach,
        time::Micros,
        token::{self, Class, Shape},
    },
    gate::identity,
    keys,
    store::tables,
};

/// What a token is to be.
pub struct Seed<'a> {
    pub class: Class,
    pub shape: Shape,
    pub name: &'a str,
    pub person_id: Option<&'a str>,
    pub family: Option<&'a str>,
    pub scopes: Option<String>,
    pub reach: &'a Reach,
    pub expires_at: Micros,
    pub by: &'a str,
}

/// A new token: its text, and its row without a role.
pub struct Minted {
    pub text: String,
    pub row: tables::token::Model,
}

pub fn mint(seed: Seed<'_>) -> Result<Minted, Fault> {
    let text = token::compose(seed.class, seed.shape, &random::<43>(62)?);
    let row = tables::token::Model {
        id: clock::new_id(),
        hash: identity::hash(&text).to_vec(),
        class: seed.class.word().to_owned(),
        name: seed.name.to_owned(),
        role: String::new(),
        reach: seed.reach.to_string(),
        cluster: None,
        person_id: seed.person_id.map(str::to_owned),
        scopes: seed.scopes,
        family: seed.family.map(str::to_owned),
        workload: None,
        created_at: clock::now().0,
        created_by: seed.by.to_owned(),
        expires_at: seed.expires_at.0,
        replaced_at: None,
        revoked_at: None,
        ended_why: None,
    };
    Ok(Minted { text, row })
}

/// Numbers below `base`, each as likely as any other: bytes that would favour some are drawn again.
pub fn random<const N: usize>(base: u8) -> Result<[u8; N], Fault> {
    let fair = u8::try_from(256 / u16::from(base) * u16::from(base) - 1).unwrap_or(u8::MAX);
    let mut numbers = [0; N];
    let mut bytes = [0; 64];
    let mut found = 0;
    while found < N {
        keys::fill(&mut bytes)?;
        for (number, byte) in numbers.iter_mut().skip(found).zip(bytes.iter().filter(|byte| **byte <= fair)) {
            *number = byte % base;
            found += 1;
        }
    }
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use super::random;

    #[test]
    fn numbers_are_below_their_base_and_differ() {
        let (one, other) = (random::<43>(62), random::<43>(62));
        assert!(matches!((&one, &other), (Ok(one), Ok(other)) if one != other && one.iter().all(|d| *d < 62)));
        let many: Vec<u8> = (0..100).flat_map(|_| random::<8>(19).unwrap_or([99; 8])).collect();
        assert!((0..19).all(|n| many.contains(&n)) && many.iter().all(|n| *n < 19), "each letter comes up");
    }
}
