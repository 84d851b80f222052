//! How far two words are apart.
//!
//! Pure; never decides what is near enough.

/// How many letters must be put in, taken out or changed.
pub fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, y) in row.iter_mut().skip(1).zip(&b) {
            let above = *cell;
            left = (diagonal + usize::from(x != *y)).min(above + 1).min(left + 1);
            diagonal = above;
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::distance;

    #[test]
    fn a_letter_put_in_taken_out_or_changed_is_one() {
        let far = |a, b| distance(a, b);
        assert_eq!((far("kitten", "sitting"), far("", "ab"), far("ab", ""), far("same", "same")), (3, 2, 2, 0));
    }
}
