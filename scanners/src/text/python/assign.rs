//! What assignments change: names, attributes, items. Never decides what a change means.

use std::rc::Rc;

use ruff_python_ast::Expr;
use ruff_text_size::Ranged;

use super::{
    names,
    value::{Value, What},
    walk::Walk,
};

impl<'a> Walk<'a> {
    /// Binds a target for good, as loops over constants do.
    pub(super) fn assign_now(&mut self, target: &'a Expr, value: Value) {
        if let Expr::Name(name) = target
            && let Some(frame) = self.frames.last_mut()
        {
            frame.names.insert(names::normal(name.id.as_str()).into(), value);
            return;
        }
        self.assign(target, value);
    }

    pub(super) fn assign(&mut self, target: &'a Expr, value: Value) {
        match target {
            Expr::Name(name) => self.bind(name.id.as_str(), value),
            Expr::Starred(starred) => self.assign(&starred.value, Value::unknown(value.deep_taint())),
            Expr::Tuple(e) => self.assign_each(&e.elts, &value),
            Expr::List(e) => self.assign_each(&e.elts, &value),
            Expr::Attribute(e) => {
                let on = self.eval(&e.value);
                self.put(&on, e.attr.as_str(), value, e.range().start().to_u32());
            }
            Expr::Subscript(e) => {
                let (on, place) = (self.eval(&e.value), self.eval(&e.slice));
                self.weigh_entry(&on, &place, &value, e.range().start().to_u32());
                if let Some("sys.modules" | "builtins" | "builtins.globals()" | "builtins.locals()") = on.as_path()
                    && let Some(key) = place.as_text()
                {
                    let key = key.to_owned();
                    self.bind(&key, value);
                    return;
                }
                if let (Expr::Name(name), What::Dict(items)) = (&*e.value, &on.what)
                    && items.len() < 512
                {
                    let mut items = items.to_vec();
                    items.push((place, value));
                    self.bind(name.id.as_str(), Value::new(What::Dict(Rc::new(items))).tainted(on.taint));
                } else if let Expr::Name(name) = &*e.value
                    && value.is_telling()
                    && !matches!(on.what, What::List(_) | What::Path(_))
                {
                    let items = vec![(place, value)];
                    self.bind(name.id.as_str(), on.or(Value::new(What::Dict(Rc::new(items)))));
                }
            }
            _ => {}
        }
    }

    fn assign_each(&mut self, targets: &'a [Expr], value: &Value) {
        let items = self.items(value);
        for (place, target) in targets.iter().enumerate() {
            if let (Expr::Starred(rest), Some(items)) = (target, &items) {
                let behind = targets.len() - place - 1;
                let taken = items.get(place..items.len().saturating_sub(behind)).unwrap_or_default();
                self.assign(&rest.value, Value::list(taken.to_vec()).tainted(value.taint));
                continue;
            }
            let item = items.as_ref().and_then(|items| items.get(place)).cloned();
            self.assign(target, item.unwrap_or_else(|| Value::unknown(value.deep_taint())).tainted(value.taint));
        }
    }

    /// `on.name = value`.
    pub(super) fn put(&mut self, on: &Value, name: &str, value: Value, at: u32) {
        self.weigh_change(on, name, &value, at);
        let telling = value.is_telling()
            || matches!(value.what, What::Text(_) | What::Object(_) | What::Class(_) | What::List(_));
        if !telling {
            return;
        }
        let key: Rc<str> = match on.as_path() {
            Some(path) => format!("{path}.{name}").into(),
            None => name.into(),
        };
        if self.attributes.len() < 4096 {
            let old = self.attributes.remove(&key).unwrap_or_default();
            self.attributes.insert(key, value.or(old));
        }
    }
}
