//! From an HTTP request to an object and an access mode.

use std::sync::Arc;

use crate::content::Content;
use crate::mode::Mode;
use crate::name::Name;
use crate::object::{Object, Upstream};
use crate::objects::Objects;
use crate::policy::Policy;
use crate::reason::Reason;
use crate::route::Route;

/// What of a request the policy looks at.
#[derive(Clone, Copy, Debug)]
pub struct RequestShape<'a> {
    /// The method as sent; methods differ by case.
    pub method: &'a str,
    /// The path after RFC 3986 normalisation, without a query.
    pub path: &'a str,
    /// Whether a body comes with it.
    pub has_body: bool,
    /// Whether it asks for another protocol (WebSocket, for one).
    pub upgrade: bool,
}

/// What a request is about.
#[derive(Clone, Debug)]
pub struct Target {
    /// What it reaches; an object without a label is refused as `unlabelled`.
    pub objects: Objects,
    /// The access mode.
    pub mode: Mode,
    /// The manifest kind that the body must conform to.
    pub manifest: Option<Name>,
    /// Why this can't be decided at all, whatever the grants say: CONNECT and TRACE are `unsupported-here`.
    /// Hand it to [`crate::refuse`].
    pub refusal: Option<Reason>,
    /// Whether values of the body name the objects, so that it must be read and this be asked again with it.
    pub by_body: bool,
}

impl Policy {
    /// Which object of `upstream` a request reaches, and how.
    ///
    /// The most specific pattern that fits the path decides ([`crate::PathPattern::compare_specificity`]), whatever its
    /// methods. Where it takes the method, that route's object is meant. Where it is written for other methods only, the
    /// request is unlabelled: what an author set apart for `POST` does not fall back, for `DELETE`, to the upstream's
    /// label. Where no pattern fits, the upstream itself is meant.
    ///
    /// Where values of the body name the objects, all that they name is meant; of a body that is not read, any of them.
    #[must_use]
    pub fn resolve(&self, upstream: &Upstream, request: &RequestShape<'_>, content: Content<'_>) -> Target {
        let path = request.path.split('?').next().unwrap_or("");
        let route = match most_specific(upstream, path, request.method) {
            Found::Route(route) => Some(route),
            Found::OtherMethods => return whole(&upstream.unlabelled, request, None),
            Found::Nothing => None,
        };
        match route {
            Some(route) => match &route.naming {
                None => whole(&route.object, request, Some(route)),
                Some(naming) => Target {
                    objects: naming.objects(content),
                    by_body: true,
                    ..whole(&route.object, request, Some(route))
                },
            },
            None if path.starts_with('/') => whole(&upstream.object, request, None),
            None => whole(&upstream.unlabelled, request, None),
        }
    }
}

enum Found<'a> {
    Route(&'a Route),
    OtherMethods,
    Nothing,
}

fn most_specific<'a>(upstream: &'a Upstream, path: &str, method: &str) -> Found<'a> {
    let mut best: Option<&Route> = None;
    let mut takes_method = None;
    for route in upstream.routes.iter().filter(|r| r.pattern.matches(path)) {
        let order = best.map_or(std::cmp::Ordering::Less, |best| route.pattern.compare_specificity(&best.pattern));
        if order.is_lt() {
            takes_method = None;
        }
        if order.is_le() {
            best = Some(route);
            takes_method = takes_method.or(route.methods.contains(method).then_some(route));
        }
    }
    match (takes_method, best) {
        (Some(route), _) => Found::Route(route),
        (None, Some(_)) => Found::OtherMethods,
        (None, None) => Found::Nothing,
    }
}

fn whole(object: &Arc<Object>, request: &RequestShape<'_>, route: Option<&Route>) -> Target {
    let append = route.is_some_and(|route| route.append);
    Target {
        objects: Objects::one(Arc::clone(object)),
        mode: mode_of(request, append),
        manifest: route.and_then(|route| route.manifest.clone()),
        refusal: refusal_of(request, append || route.is_some_and(|route| route.manifest.is_some())),
        by_body: false,
    }
}

/// GET and HEAD without a body observe; a route declared so appends; all else goes both ways.
fn mode_of(request: &RequestShape<'_>, append: bool) -> Mode {
    let reads = matches!(request.method, "GET" | "HEAD");
    if append {
        Mode::Append
    } else if reads && !request.has_body && !request.upgrade {
        Mode::Observe
    } else {
        Mode::Alter
    }
}

/// CONNECT opens a tunnel past every decision, TRACE sends headers back that the gateway added, and an upgrade is an
/// answer that an append route does not give, and bytes that a manifest's schema does not see. The first two are refused
/// however they are spelt.
fn refusal_of(request: &RequestShape<'_>, whole_body: bool) -> Option<Reason> {
    let tunnel = request.method.eq_ignore_ascii_case("CONNECT");
    let echo = request.method.eq_ignore_ascii_case("TRACE");
    (tunnel || echo || (whole_body && request.upgrade)).then_some(Reason::UnsupportedHere)
}
