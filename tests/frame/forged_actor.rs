//! expects: E0423
//! Somebody made out of nothing.

use crate::gate::identity::Actor;

#[cfg(weighbridge_case = "wrong")]
fn somebody() -> Actor {
    Actor(Default::default())
}

#[cfg(weighbridge_case = "right")]
fn somebody(actor: &Actor) -> Actor {
    actor.clone()
}

const _: usize = size_of_val(&somebody);
