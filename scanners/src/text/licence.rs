//! Licence texts: which licence a file called LICENSE is, in the words that model cards use.
//!
//! Told by the title and the words that set a licence apart from its relatives. A text that is none of these names nothing.

use crate::scan::Scan;

/// Notes the licence that a file of this name holds the text of.
pub(crate) fn note(scan: &mut Scan<'_>, name: &str, text: &str) {
    let stem = name.split('.').next().unwrap_or_default();
    if !["license", "licence", "copying", "unlicense"].iter().any(|word| stem.starts_with(word)) {
        return;
    }
    if let Some(licence) = named(text) {
        scan.facts.licences.insert(licence.to_owned());
    }
}

fn named(text: &str) -> Option<&'static str> {
    let start: String = text.chars().take(START).collect();
    // Lines are broken where their writers liked.
    let flat = start.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    KNOWN.iter().find(|(words, _)| words.iter().all(|word| flat.contains(word))).map(|(_, licence)| *licence)
}

/// What tells a licence apart stands at its beginning.
const START: usize = 6000;

/// The narrower before the wider: all of the words have to be there.
#[rustfmt::skip]
const KNOWN: &[(&[&str], &str)] = &[
    (&["llama 4 community license"], "llama4"),
    (&["llama 3.3 community license"], "llama3.3"),
    (&["llama 3.2 community license"], "llama3.2"),
    (&["llama 3.1 community license"], "llama3.1"),
    (&["llama 3 community license"], "llama3"),
    (&["llama 2 community license"], "llama2"),
    (&["gemma terms of use"], "gemma"),
    (&["bigscience rail license v1.0"], "bigscience-bloom-rail-1.0"),
    (&["bigscience openrail-m"], "bigscience-openrail-m"),
    (&["bigcode openrail-m"], "bigcode-openrail-m"),
    (&["creativeml open rail++-m"], "openrail++"),
    (&["creativeml open rail-m"], "creativeml-openrail-m"),
    (&["apple machine learning research model"], "apple-amlr"),
    (&["attribution-noncommercial-noderivatives 4.0"], "cc-by-nc-nd-4.0"),
    (&["attribution-noncommercial-sharealike 4.0"], "cc-by-nc-sa-4.0"),
    (&["attribution-noncommercial 4.0"], "cc-by-nc-4.0"),
    (&["attribution-noderivatives 4.0"], "cc-by-nd-4.0"),
    (&["attribution-sharealike 4.0"], "cc-by-sa-4.0"),
    (&["attribution 4.0 international"], "cc-by-4.0"),
    (&["cc0 1.0 universal"], "cc0-1.0"),
    (&["gnu affero general public license", "version 3"], "agpl-3.0"),
    (&["gnu lesser general public license", "version 3"], "lgpl-3.0"),
    (&["gnu lesser general public license", "version 2.1"], "lgpl-2.1"),
    (&["gnu general public license", "version 3"], "gpl-3.0"),
    (&["gnu general public license", "version 2"], "gpl-2.0"),
    (&["mozilla public license", "2.0"], "mpl-2.0"),
    (&["eclipse public license", "2.0"], "epl-2.0"),
    (&["apache license", "version 2.0"], "apache-2.0"),
    (&["permission is hereby granted, free of charge, to any person obtaining a copy", "the above copyright notice and this permission notice"], "mit"),
    (&["redistribution and use in source and binary forms", "neither the name of"], "bsd-3-clause"),
    (&["redistribution and use in source and binary forms"], "bsd-2-clause"),
    (&["permission to use, copy, modify, and/or distribute this software for any purpose with or without fee"], "isc"),
    (&["this is free and unencumbered software released into the public domain"], "unlicense"),
];

#[cfg(test)]
#[allow(clippy::panic, reason = "a test fails by panicking")]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;

    use super::*;
    use crate::{Limits, Outcome, scan};

    #[test]
    fn a_licence_is_told_by_its_words() {
        let apache = "\n        Apache License\n   Version 2.0, January 2004\n  http://www.apache.org/licenses/\n";
        let lesser =
            "GNU LESSER GENERAL PUBLIC LICENSE\nVersion 3, 29 June 2007\n incorporates the GNU General Public License";
        let community = "LLAMA 3.1 COMMUNITY LICENSE AGREEMENT\nLlama 3.1 Version Release Date: July 23, 2024";
        let creative = "Attribution-NonCommercial\n4.0 International\nCreative Commons Corporation";
        for (text, licence) in
            [(apache, "apache-2.0"), (lesser, "lgpl-3.0"), (community, "llama3.1"), (creative, "cc-by-nc-4.0")]
        {
            assert_eq!(named(text), Some(licence));
        }
        for none in ["", "All rights reserved.", "See the Apache Software Foundation's page."] {
            assert_eq!(named(none), None);
        }
    }

    #[test]
    fn only_a_file_that_is_called_so_is_read_as_a_licence() {
        let mit = "MIT License\n\nPermission is hereby granted, free of charge, to any person obtaining a copy\nof this, provided \
                   the above copyright notice and this permission notice shall be included";
        let of = |name: &str| match scan(name, Arc::new(Bytes::from(mit)), &Limits::default(), None) {
            Outcome::Judged(report) => report.facts.licences,
            Outcome::Needs(_) => panic!("all is here"),
        };
        assert!(of("LICENSE").contains("mit") && of("LICENSE.txt").contains("mit") && of("COPYING.md").contains("mit"));
        assert!(of("notes.txt").is_empty());
    }
}
