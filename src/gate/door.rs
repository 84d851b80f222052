//! Who comes in: by which credential, at the door without one yet, and what only a person does who has just proved who they
//! are.
//!
//! Never decides by the access plane: that is `mod.rs`.

use std::sync::{Arc, PoisonError};

use http::HeaderMap;

use super::{
    Call, Gate, Identity,
    act::{Act, AtTheDoor, BY_PEOPLE, FRESH},
    grant::{Context, Granted, Yes},
    identity::{self, Actor, Proven},
    object::{Account, Found},
};
use crate::{
    clock,
    domain::{
        refusal::{Code, Fault, Refusal},
        role::Environment,
    },
    ledger::About,
};

/// Who stands at the door, as found by whoever asks for them to be let in.
#[derive(Clone, Copy, Debug)]
pub enum Newcomer<'a> {
    /// Nobody known, and why it is let do this.
    Stranger(&'a str),
    Person {
        issuer: &'a str,
        subject: &'a str,
        name: &'a str,
        cause: &'a str,
    },
    Workload {
        issuer: &'a str,
        subject: &'a str,
        cause: &'a str,
    },
}

impl Gate {
    /// Who is asking with a bearer credential. None and a bad one are refused, and counted by address.
    pub async fn identify(&self, headers: &HeaderMap, call: &Call) -> Result<Actor, Refusal> {
        self.identified(Box::pin(identity::identify(self, headers, call)).await, call).await
    }

    /// Who is asking from a browser. That somebody has not signed in yet is no failure.
    pub async fn identify_session(&self, headers: &HeaderMap, call: &Call) -> Result<Actor, Refusal> {
        match Box::pin(identity::identify_session(self, headers, call)).await {
            Err(refusal) if refusal.code == Code::SignInRequired => Err(refusal),
            answer => self.identified(answer, call).await,
        }
    }

    async fn identified(&self, answer: Result<Actor, Refusal>, call: &Call) -> Result<Actor, Refusal> {
        match answer {
            Err(refusal) if matches!(refusal.code, Code::SignInRequired | Code::TokenNotAccepted) => {
                self.count_failed_sign_in(&refusal, call).await;
                Err(refusal)
            }
            Ok(actor) => {
                if let Some(id) = actor.credential_id() {
                    self.0.used.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned(), clock::now());
                }
                Ok(actor)
            }
            answer => answer,
        }
    }

    /// A grant at the door, for whoever was just found to be who they are: it opens what is `AtTheDoor` and nothing else.
    pub async fn admit_newcomer<A: AtTheDoor>(&self, who: Newcomer<'_>, call: &Call) -> Result<Granted<A>, Refusal> {
        if let Err(why) = self.parts().ledger.healthy() {
            return Err(Fault::new(format!("the ledger cannot take entries: {why}")).passing().into());
        }
        let actor = match who {
            Newcomer::Stranger(cause) => Actor::newcomer("anonymous", None, "anonymous", cause),
            Newcomer::Person { issuer, subject, name, cause } => {
                let clear = identity::person_clear(issuer, subject);
                let reference = self.ledger().reference(About::Actor, &clear).await?;
                Actor::newcomer("user", Some(reference), name, cause)
            }
            Newcomer::Workload { issuer, subject, cause } => {
                let clear = identity::workload_clear(issuer, subject);
                let reference = self.ledger().reference(About::Actor, &clear).await?;
                Actor::newcomer("workload", Some(reference), subject, cause)
            }
        };
        let changes = self.ledger().changes();
        let source = match (&call.source, actor.kind()) {
            (Some(source), "anonymous") => Some(source.strange_fact(self).await),
            (Some(source), _) => Some(source.fact(self).await?),
            (None, _) => None,
        };
        let decision = self.fact::<A>(&actor, "allow", Vec::new(), "at the door");
        let (environment, object) = (self.first_environment()?, Account);
        let context =
            Arc::new(Context { request_id: call.request_id.clone(), source, http: call.http.clone(), decision });
        let yes = Yes { actor, object, environment, everywhere: true, context, lease: None, changes };
        Ok(Granted::new(self.clone(), yes))
    }

    /// Who another issuer's token is of, and what that is here.
    pub async fn prove_workload(&self, token: &str) -> Result<Proven, Refusal> {
        identity::prove(self, token).await
    }

    /// Counts a sign-in that failed at the door, and says so.
    pub async fn failed_sign_in(&self, refusal: Refusal, call: &Call) -> Refusal {
        self.count_failed_sign_in(&refusal, call).await;
        refusal
    }

    /// Slows down whoever knocks too often, before anything is looked up for them.
    pub fn knock(&self, call: &Call) -> Result<(), Refusal> {
        self.pace().stranger(call)
    }

    /// What stands for a person in the ledger and in our tables. Never asked for while a change is open.
    pub async fn person_reference(&self, issuer: &str, subject: &str) -> Result<String, Fault> {
        self.ledger().reference(About::Actor, &identity::person_clear(issuer, subject)).await
    }

    pub fn identity(&self) -> &Identity {
        &self.parts().identity
    }

    /// Whether somebody to whom this was granted may still do it, as they are now.
    pub(super) fn may_still<A: Act>(&self, actor: &Actor, environment: &Environment, object: &A::Found) -> bool {
        let (place, subjects) = (object.place(), actor.subjects(environment));
        let ruling = self.parts().access.decide_any(&subjects, environment.as_str(), &place, A::WORD);
        ruling.allow && actor.scopes().allow(A::WORD, &place)
    }

    /// What only a person may do, and only one who proved a moment ago who they are.
    pub(super) fn personal<A: Act>(&self, actor: &Actor) -> Result<(), Refusal> {
        let identity = self.identity();
        if actor.is_system() || !identity.people {
            return Ok(());
        }
        if actor.person().is_none() {
            if !BY_PEOPLE.contains(&A::WORD) {
                return Ok(());
            }
            let sentence =
                format!("{} is done by people: a token that nobody holds personally does not count.", A::WORD);
            return Err(Refusal::new(Code::NotAllowed, sentence).hint("Sign in: hf auth login."));
        }
        if !FRESH.contains(&A::WORD) {
            return Ok(());
        }
        let span = i64::try_from(identity.fresh_for.as_secs()).unwrap_or(i64::MAX);
        let fresh = actor.proved().is_some_and(|proof| {
            let worth = identity.acr.is_none() || proof.acr == identity.acr;
            worth && proof.at.plus_seconds(span) > clock::now()
        });
        if fresh {
            return Ok(());
        }
        let link = actor.credential_id().map(|id| format!("{}/-/step-up?for={id}", self.public_url()));
        let sentence = format!("{} needs a fresh proof of who you are.", A::WORD);
        let hint = link.map_or("Sign in again.".to_owned(), |link| format!("Open {link} and try again."));
        Err(Refusal::new(Code::StepUpRequired, sentence).hint(hint))
    }
}
