//! expects: E0624
//! A feature that writes events of its own.

use crate::gate::Gate;

fn ledger(gate: &Gate) -> usize {
    #[cfg(weighbridge_case = "wrong")]
    return size_of_val(gate.ledger());
    #[cfg(weighbridge_case = "right")]
    return gate.environments().len();
}

const _: usize = size_of_val(&ledger);
