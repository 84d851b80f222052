use weighbridge_scanners::*;
fn main() {
    for name in std::env::args().skip(1) {
        let t = std::time::Instant::now();
        let s = FileSource::open(std::path::Path::new(&name)).unwrap();
        let short = name.rsplit('/').next().unwrap();
        match scan(short, std::sync::Arc::new(s), &Limits::default(), None) {
            Outcome::Judged(r) => {
                println!(
                    "{name} {} {} {:?} {:?} {:?} {:.1?}",
                    r.format,
                    r.verdict.word(),
                    r.coverage.state,
                    r.coverage.reason,
                    (r.coverage.inspected, r.coverage.inert),
                    t.elapsed()
                );
                for f in r.findings.iter().take(12) {
                    println!("   {} @{} {}", f.rule.id, f.place.offset, f.message);
                }
                if std::env::var_os("FACTS").is_some() {
                    println!("{:?}", r.facts);
                }
            }
            Outcome::Needs(x) => println!("{name} needs {x:?}"),
        }
    }
}
