//! From requests to objects and modes.

use bellgate_policy::{Content, PathPattern, Reason, RequestShape};

use crate::world::{read, rows, world};

const TABLE: &str = "
# upstream  request                        object          mode     manifest or refusal

# A route by method and path; HEAD goes with GET.
search      POST /v1/search +body          search/ask      alter    search-query
search      POST /v1/search                search/ask      alter    search-query
search      POST /v1/notes/7 +body         search/notes    append   -
search      PUT /v1/notes/7                search/notes    append   -
records     GET /v1/patients/12            records/patients  observe  -
records     HEAD /v1/patients/12           records/patients  observe  -
records     GET /v1/patients/12 +body      records/patients  alter    -
records     GET /v1/patients/12 +upgrade   records/patients  alter    -

# The rest of the upstream.
search      GET /                          search          observe  -
search      GET /v1/notes                  search          observe  -
search      DELETE /other                  search          alter    -
search      OPTIONS /other                 search          alter    -
search      get /other                     search          alter    -

# The most specific pattern decides.
search      GET /v1/notes/latest           search/exact    observe  -
search      GET /v1/files                  search/below    observe  -
search      GET /v1/files/a/b/c            search/below    observe  -
search      GET /v1/filesystem             search          observe  -

# A path that routes name under other methods only has no label.
search      GET /v1/search                 search!         observe  -
search      GET /v1/notes/7                search!         observe  -
search      POST /v1/notes/latest          search!         alter    -
records     DELETE /v1/patients/12         records!        alter    -

# Other spellings of a path do not slip past a route.
search      POST /v1//notes/7/             search/notes    append   -
search      POST //v1/search/              search/ask      alter    search-query
search      POST /v1/%73earch              search/ask      alter    search-query
search      POST /v1/search?q=1            search/ask      alter    search-query

# What has no path, and what is never decided.
search      OPTIONS *                      search!         alter    -
search      CONNECT /v1/search             search!         alter    unsupported-here
search      TRACE /other                   search          alter    unsupported-here
search      trace /other                   search          alter    unsupported-here
search      Connect /other                 search          alter    unsupported-here
search      POST /v1/notes/7 +upgrade      search/notes    append   unsupported-here
search      POST /v1/search +upgrade       search/ask      alter    unsupported-here

# An upstream without a label of its own.
dark        GET /lit                       dark/lit        observe  -
dark        GET /unlit                     dark!           observe  -
";

#[test]
fn the_table_holds() {
    let policy = world();
    let mut wrong = Vec::new();
    for [upstream, request, object, mode, rest] in rows(TABLE) {
        let mut words = request.split(' ');
        let shape = RequestShape {
            method: words.next().unwrap(),
            path: words.next().unwrap(),
            has_body: request.ends_with("+body"),
            upgrade: request.ends_with("+upgrade"),
        };
        let target = policy.resolve(policy.upstream(upstream).unwrap(), &shape, Content::Nothing);
        let unlabelled = if target.objects.first().label.is_none() { "!" } else { "" };
        let extra = match (&target.manifest, target.refusal) {
            (Some(kind), None) => kind.to_string(),
            (_, Some(refusal)) => refusal.to_string(),
            (None, None) => String::from("-"),
        };
        let found = format!("{}{unlabelled} {} {extra}", target.objects.first().name, target.mode);
        if found != format!("{object} {mode} {rest}") {
            wrong.push(format!("{upstream} {request}: {object} {mode} {rest}, found {found}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn patterns() {
    for (pattern, fits, fails) in [
        ("/", vec!["/", "//"], vec!["/a", "", "*"]),
        ("/**", vec!["/", "/a", "/a/b"], vec!["", "a"]),
        ("/a", vec!["/a", "/a/", "//a", "/%61"], vec!["/A", "/ab", "/a/b", "/", "/a%2f"]),
        ("/{x}", vec!["/a", "/%2e"], vec!["/", "/a/b"]),
        ("/a/{x}/b", vec!["/a/1/b"], vec!["/a/b", "/a//b", "/a/1/2/b"]),
        ("/a/**", vec!["/a", "/a/", "/a/b/c"], vec!["/", "/ab"]),
        ("/a%20b", vec!["/a%20b"], vec!["/a+b"]),
        ("/{a}/**", vec!["/x", "/x/y"], vec!["/"]),
    ] {
        let read = PathPattern::parse(pattern).unwrap();
        assert_eq!(read.as_str(), pattern);
        for path in fits {
            assert!(read.matches(path), "{pattern} {path}");
        }
        for path in fails {
            assert!(!read.matches(path), "{pattern} {path}");
        }
    }
}

#[test]
fn the_more_specific_pattern_comes_first() {
    let ordered =
        ["/a/b/c", "/a/b/{x}", "/a/b", "/a/b/**", "/a/{x}/c", "/a/{x}", "/a/**", "/{x}/b", "/{x}", "/", "/**"];
    for (index, one) in ordered.iter().enumerate() {
        for (other_index, other) in ordered.iter().enumerate() {
            let (one, other) = (PathPattern::parse(one).unwrap(), PathPattern::parse(other).unwrap());
            let both = ["/", "/a", "/a/b", "/a/b/c", "/x/b", "/a/x", "/a/x/c"]
                .iter()
                .any(|path| one.matches(path) && other.matches(path));
            let order = one.compare_specificity(&other);
            assert_eq!(order, other.compare_specificity(&one).reverse());
            assert_eq!(order.is_eq(), index == other_index);
            if both {
                assert_eq!(order, index.cmp(&other_index), "{} {}", one.as_str(), other.as_str());
            }
        }
    }
}

#[test]
fn an_upstream_is_found_by_its_authorities_in_any_case() {
    let policy = world();
    for (host, upstream) in [
        ("search", Some("search")),
        ("SEARCH.LocalHost", Some("search")),
        ("web", Some("web")),
        ("api.example.com", Some("web")),
        ("API.EXAMPLE.COM", Some("web")),
        ("web.localhost", Some("web")),
        ("example.com", None),
        ("search.localhost.", None),
        ("search.", None),
        ("localhost", None),
        ("search.example.com", None),
        ("deidentify", None),
        ("", None),
    ] {
        let found = policy.upstream_for_authority(host);
        assert_eq!(found.map(|found| found.name.as_str()), upstream, "{host}");
    }
}

#[test]
fn a_policy_answers_what_is_asked_of_it() {
    let policy = world();
    let search = crate::world::id("search");
    assert_eq!(policy.served_by(&search).unwrap().name.as_str(), "search");
    assert!(policy.served_by(&crate::world::id("planner")).is_none());
    assert_eq!(policy.subject_named("planner").unwrap().id, crate::world::id("planner"));
    assert!(policy.subject_named("planner").unwrap().floats());
    assert!(!policy.subject_named("reader").unwrap().floats());
    let kinds: Vec<&str> = policy.manifests().map(AsRef::as_ref).collect();
    assert_eq!(kinds, ["patient", "search-query"]);
    assert_eq!(policy.lattice().text(policy.lake_label()), "RESTRICTED:clinical");
    assert_eq!(read("version: 1").lake_label(), &read("version: 1").lattice().top());
    let capability = policy.capability("deidentify").unwrap();
    let limits = capability.limits;
    assert_eq!(
        (limits.wall_ms, limits.memory_bytes, limits.fuel, limits.output_bytes, limits.input_bytes),
        (250, 16 << 20, 1_000_000, 1024, 2048)
    );
    assert_eq!(policy.capabilities().count(), 1);
    assert_eq!((policy.subjects().count(), policy.upstreams().count()), (8, 6));
    assert!(policy.digest().starts_with("sha256:") && policy.digest().len() == 71);
    assert_eq!(Reason::UnsupportedHere.code(), "unsupported-here");
}
