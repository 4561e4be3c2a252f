/* Takes the direct identifiers out of a patient record, or out of a request that somebody who has read one writes.
 *
 * Input: one JSON document (RFC 8259, UTF-8, at most 64 levels deep). Output: the same document without
 * white space, in the same order, with what identifies a person taken out. What can't be read as
 * JSON is an error, never passed on. The same input gives the same output, always.
 *
 * The rules follow the 18 identifiers of the Safe Harbor method (45 CFR 164.514(b)(2)(i)) as far as
 * names of members show them. Names are compared without regard to case, '_', '-', '.' and ' ':
 * "birthDate", "birth_date" and "Birth-Date" are one. The rules reach into every object and array. They are
 * tried in this order (tables in deidentify_rules.h):
 *
 *   what                                    becomes
 *   dates of a person or of care            the year; "[removed]" where no year can be told
 *   ages                                    itself up to 89, "90+" above
 *   postal codes                            the first three digits; "000" for the 17 prefixes with few people
 *   address                                 text: "[removed]"; an object or array: only state, country and postal code are kept
 *   patient, subject, member and the like   text and numbers: "[removed]"; an object: the rules for its members
 *   all other identifiers, free text        "[removed]", with everything in it
 *   every other text                        itself, without the words in it that have the form of an identifier
 *
 * Forms of identifiers (deidentify_text.h): mail addresses and handles, addresses on the web and in networks, numbers of
 * telephones, records and accounts, dates, and a name after a title or an initial ("Dr. Who", "A. Example").
 * The text of a member that holds codes ("code", "system", "version" and the like) is kept where it is one word without '@'.
 *
 * null, and only null, stays null under every rule, so that "not known" can be told from "removed".
 * The member "name" of a medication, a diagnosis, a procedure and the like is the name of a thing and stays.
 *
 * Not done: a name in a text that nothing marks as one stays, and so does what is spelt or encoded so that its form is
 * gone; where this is a guard in front of something open, the manifest of the route bounds what such a text can be.
 * A year stays, a birth year above the age of 89 too: there is no clock here. Whoever relies on the result under
 * HIPAA checks their own records' names against the tables first. */
#include "deidentify_rules.h"
#include "extism.h"

#define DEPTH_MAX 64
#define KEY_MAX 128

/* The input, then the output, from the end of the module's own data on. */
extern u8 __heap_base;

static const u8 *in, *in_end;
static u8 *out, *out_end, *out_limit;

enum { OK = 0, SYNTAX = 1, DEEP = 2, MEMORY = 3 };

/* What holds for the value that comes next. */
enum rule { KEEP, REMOVE, DATE, AGE, POSTAL, ADDRESS, PLACE, PERSON, THING, CODE };

static int grow(u8 *to) {
    u32 have = __builtin_wasm_memory_size(0) << 16;
    u32 need = (u32)(unsigned long)to;
    if (need <= have)
        return OK;
    return __builtin_wasm_memory_grow(0, ((need - have) >> 16) + 1) == (unsigned long)-1 ? MEMORY : OK;
}

/* Room for `length` more bytes of output. */
static int room(u32 length) {
    if ((u32)(out_limit - out_end) >= length)
        return OK;
    u8 *wanted = out_end + length + 65536;
    if (wanted < out_end || grow(wanted) != OK)
        return MEMORY;
    out_limit = wanted;
    return OK;
}

static int put(const u8 *from, u32 length) {
    if (room(length) != OK)
        return MEMORY;
    __builtin_memcpy(out_end, from, length);
    out_end += length;
    return OK;
}

static int put_text(const char *text) {
    u32 length = 0;
    while (text[length])
        length++;
    return put((const u8 *)text, length);
}

static void skip_space(void) {
    while (in < in_end && (*in == ' ' || *in == '\t' || *in == '\n' || *in == '\r'))
        in++;
}

static int is_digit(u32 c) { return c - '0' < 10; }

static int hex(u32 c) {
    if (is_digit(c))
        return (int)(c - '0');
    c |= 32;
    return c - 'a' < 6 ? (int)(c - 'a' + 10) : -1;
}

/* Passes one character of UTF-8 with a lead byte of 0x80 and up (RFC 3629, section 4). */
static int pass_utf8(void) {
    u32 lead = *in, length, least = 0x80, most = 0xbf;
    if (lead - 0xc2 < 0x1e) {
        length = 2;
    } else if (lead - 0xe0 < 0x10) {
        length = 3;
        if (lead == 0xe0) least = 0xa0;
        if (lead == 0xed) most = 0x9f;
    } else if (lead - 0xf0 < 5) {
        length = 4;
        if (lead == 0xf0) least = 0x90;
        if (lead == 0xf4) most = 0x8f;
    } else {
        return SYNTAX;
    }
    if ((u32)(in_end - in) < length || in[1] < least || in[1] > most)
        return SYNTAX;
    for (u32 at = 2; at < length; at++)
        if ((in[at] & 0xc0) != 0x80)
            return SYNTAX;
    in += length;
    return OK;
}

/* Passes a string; its first and one-past-last byte between the quotes are left in *from and *to. */
static int pass_string(const u8 **from, const u8 **to) {
    *from = ++in;
    while (in < in_end) {
        u32 c = *in;
        if (c == '"') {
            *to = in++;
            return OK;
        }
        if (c < 0x20)
            return SYNTAX;
        if (c >= 0x80) {
            if (pass_utf8() != OK)
                return SYNTAX;
            continue;
        }
        in++;
        if (c != '\\')
            continue;
        if (in >= in_end)
            return SYNTAX;
        switch (*in++) {
        case '"': case '\\': case '/': case 'b': case 'f': case 'n': case 'r': case 't':
            break;
        case 'u':
            if (in_end - in < 4)
                return SYNTAX;
            for (u32 digit = 0; digit < 4; digit++)
                if (hex(*in++) < 0)
                    return SYNTAX;
            break;
        default:
            return SYNTAX;
        }
    }
    return SYNTAX;
}

static int pass_digits(void) {
    const u8 *start = in;
    while (in < in_end && is_digit(*in))
        in++;
    return in == start ? SYNTAX : OK;
}

static int pass_number(void) {
    if (*in == '-')
        in++;
    if (in < in_end && *in == '0')
        in++;
    else if (pass_digits() != OK)
        return SYNTAX;
    if (in < in_end && *in == '.') {
        in++;
        if (pass_digits() != OK)
            return SYNTAX;
    }
    if (in < in_end && (*in | 32) == 'e') {
        in++;
        if (in < in_end && (*in == '+' || *in == '-'))
            in++;
        if (pass_digits() != OK)
            return SYNTAX;
    }
    return OK;
}

static int pass_word(const char *word) {
    while (*word)
        if (in >= in_end || *in++ != (u8)*word++)
            return SYNTAX;
    return OK;
}

/* A member's name, decoded, lower-cased, without separators: letters and digits only, and whether it ends in a word "id". */
struct name {
    char text[KEY_MAX + 1];
    u32 length;
    int is_id;
};

static void read_name(struct name *name, const u8 *from, const u8 *to) {
    u32 before = 0, last = 0, third = 0; /* the last three characters as written */
    name->length = 0;
    while (from < to) {
        u32 c = *from++;
        if (c == '\\') {
            c = *from++;
            if (c == 'u') {
                c = 0;
                for (u32 digit = 0; digit < 4; digit++)
                    c = c << 4 | (u32)hex(*from++);
            }
        }
        third = before;
        before = last;
        last = c;
        if (c == '_' || c == '-' || c == '.' || c == ' ')
            continue;
        if (c - 'A' < 26)
            c += 32;
        if (name->length < KEY_MAX)
            name->text[name->length++] = c < 0x80 ? (char)c : '?';
    }
    name->text[name->length] = 0;
    /* "id", "patient_id", "patientId", "patientID"; not "covid" or "paid". */
    int ends_in_id = (before | 32) == 'i' && (last | 32) == 'd';
    int starts_a_word = third == 0 || third == '_' || third == '-' || third == '.' || third == ' ' ||
                        (before == 'I' && (third - 'a' < 26 || is_digit(third)));
    name->is_id = ends_in_id && starts_a_word;
}

static int same(const char *a, const char *b) {
    while (*a && *a == *b)
        a++, b++;
    return *a == *b;
}

static int ends_with(const struct name *name, const char *end) {
    u32 length = 0;
    while (end[length])
        length++;
    return name->length >= length && same(name->text + name->length - length, end);
}

static int holds(const struct name *name, const char *part) {
    for (const char *start = name->text; *start; start++) {
        const char *a = start, *b = part;
        while (*b && *a == *b)
            a++, b++;
        if (!*b)
            return 1;
    }
    return 0;
}

static int is_one_of(const struct name *name, const char *const *list) {
    for (; *list; list++)
        if (same(name->text, *list))
            return 1;
    return 0;
}

static int ends_in_one_of(const struct name *name, const char *const *list) {
    for (; *list; list++)
        if (ends_with(name, *list))
            return 1;
    return 0;
}

static int holds_one_of(const struct name *name, const char *const *list) {
    for (; *list; list++)
        if (holds(name, *list))
            return 1;
    return 0;
}

/* The rule for a member with this name, of an object to which `around` applies. */
static enum rule look_up(const struct name *name, enum rule around) {
    if (is_one_of(name, postal_names))
        return POSTAL;
    if (around == PLACE)
        return is_one_of(name, kept_place_names) ? KEEP : PLACE;
    if (is_one_of(name, not_date_names))
        return KEEP;
    if (is_one_of(name, date_names) || ends_in_one_of(name, date_ends))
        return DATE;
    if (is_one_of(name, age_names))
        return AGE;
    if (is_one_of(name, address_names) || ends_with(name, "address"))
        return holds_one_of(name, network_address_parts) ? REMOVE : ADDRESS;
    if (is_one_of(name, person_names))
        return PERSON;
    if (around == THING && same(name->text, "name"))
        return KEEP;
    if (is_one_of(name, code_names))
        return CODE;
    if (is_one_of(name, removed_names) || holds_one_of(name, removed_parts) || name->is_id)
        return REMOVE;
    if (ends_with(name, "name") || ends_with(name, "names"))
        return ends_in_one_of(name, thing_name_ends) ? KEEP : REMOVE;
    if (ends_in_one_of(name, removed_ends))
        return REMOVE;
    return is_one_of(name, thing_names) ? THING : KEEP;
}

/* Records repeat their names: what was looked up is kept by the bytes of the name, one entry for each hash. */
#define KNOWN 256
static struct known {
    const u8 *from;
    u32 length;
    enum rule around, rule;
} known[KNOWN];

static int same_bytes(const u8 *a, const u8 *b, u32 length) {
    while (length && *a == *b)
        a++, b++, length--;
    return length == 0;
}

/* The rule for the member whose name is written from `from` to `to`, of an object to which `around` applies. */
static enum rule rule_for(const u8 *from, const u8 *to, enum rule around) {
    static struct name name;
    u32 length = (u32)(to - from), hash = around;
    for (const u8 *at = from; at < to; at++)
        hash = hash * 31 + *at;
    struct known *entry = &known[(hash ^ hash >> 8) % KNOWN];
    if (!entry->from || entry->length != length || entry->around != around || !same_bytes(entry->from, from, length)) {
        read_name(&name, from, to);
        *entry = (struct known){from, length, around, look_up(&name, around)};
    }
    return entry->rule;
}

/* The year of a date's text: four digits at its start, or at its end after a separator, or before the time. */
static const u8 *year_in(const u8 *from, const u8 *to) {
    u32 length = (u32)(to - from);
    u32 leading = 0;
    while (leading < length && is_digit(from[leading]))
        leading++;
    if (leading == 4 && (length == 4 || from[4] == '-' || from[4] == '/' || from[4] == '.'))
        return from;
    for (u32 at = 1; at + 4 <= length; at++) {
        u32 before = from[at - 1];
        int starts = before == '/' || before == '-' || before == '.' || before == ' ' || before == ',';
        int ends = at + 4 == length || from[at + 4] == ' ' || from[at + 4] == 'T' || from[at + 4] == ',';
        if (starts && ends && is_digit(from[at]) && is_digit(from[at + 1]) && is_digit(from[at + 2]) && is_digit(from[at + 3]))
            return from + at;
    }
    return 0;
}

#include "deidentify_text.h"

static int put_removed(void) { return put_text("\"[removed]\""); }

static int put_year(const u8 *from, const u8 *to) {
    const u8 *year = year_in(from, to);
    if (!year)
        return put_removed();
    return put_text("\"") || put(year, 4) || put_text("\"");
}

static int put_postal(const u8 *from, const u8 *to) {
    u32 length = (u32)(to - from);
    /* Five digits, five and four, or three already: elsewhere the first three characters say too much or nothing. */
    int is_zip = length == 3 || length == 5 || (length == 10 && from[5] == '-') || length == 9;
    for (u32 at = 0; at < length && is_zip; at++)
        is_zip = is_digit(from[at]) || (at == 5 && length == 10);
    if (!is_zip)
        return put_removed();
    char prefix[6] = {'"', (char)from[0], (char)from[1], (char)from[2], '"', 0};
    for (const char *const *few = few_people_prefixes; *few; few++)
        if ((*few)[0] == prefix[1] && (*few)[1] == prefix[2] && (*few)[2] == prefix[3])
            return put_text("\"000\"");
    return put_text(prefix);
}

/* An age of at most 89, in digits with or without a fraction, is put as it was. */
static int put_age(const u8 *from, const u8 *to, const u8 *whole, const u8 *whole_end) {
    u32 years = 0;
    const u8 *at = from;
    while (at < to && is_digit(*at) && years < 1000)
        years = years * 10 + (*at++ - '0');
    int is_plain = at > from;
    if (at < to && *at == '.')
        for (at++; at < to && is_digit(*at);)
            at++;
    if (!is_plain || at != to)
        return put_removed();
    return years <= 89 ? put(whole, (u32)(whole_end - whole)) : put_text("\"90+\"");
}

/* A text or number under a rule; `from` to `to` without the quotes, `whole` with them. */
static int put_scalar(enum rule rule, int is_text, const u8 *from, const u8 *to, const u8 *whole) {
    switch (rule) {
    case KEEP:
    case THING:
        return is_text ? put_text_without_identifiers(from, to) : put(whole, (u32)(in - whole));
    case CODE:
        return is_text && !is_code(from, to) ? put_text_without_identifiers(from, to) : put(whole, (u32)(in - whole));
    case DATE:
        return is_text ? put_year(from, to) : put_removed();
    case POSTAL:
        return put_postal(from, to);
    case AGE:
        return put_age(from, to, whole, in);
    case REMOVE:
    case ADDRESS:
    case PLACE:
    case PERSON:
        return put_removed();
    }
    return SYNTAX;
}

/* One level of nesting. */
struct level {
    u8 close;        /* ']' or '}' */
    u8 silent;       /* nothing in it is written */
    u8 is_empty;     /* nothing was written in it yet */
    enum rule rule;  /* for the elements of an array, and around the members of an object */
};

static struct level levels[DEPTH_MAX];

/* What an object or array under a rule is to what is in it. */
static enum rule inside(enum rule rule, u8 open) {
    if (rule == ADDRESS)
        return PLACE;
    return (rule == PERSON || rule == CODE) && open == '{' ? KEEP : rule;
}

static int transform(void) {
    u32 depth = 0;
    enum rule rule = KEEP;
    int silent = 0;
    for (;;) {
        /* A value, to which `rule` applies. */
        const u8 *whole, *from, *to;
        int wrong = OK;
        skip_space();
        if (in >= in_end)
            return SYNTAX;
        whole = in;
        switch (*in) {
        case '{':
        case '[':
            if (depth == DEPTH_MAX)
                return DEEP;
            levels[depth].close = *in == '{' ? '}' : ']';
            levels[depth].rule = inside(rule, *in);
            levels[depth].is_empty = 1;
            /* Dates, ages and postal codes have no parts that could be kept; arrays of them have. */
            levels[depth].silent = silent || rule == REMOVE || (*in == '{' && (rule == DATE || rule == AGE || rule == POSTAL));
            if (!silent)
                wrong = levels[depth].silent ? put_removed() : put(in, 1);
            silent = levels[depth].silent;
            depth++;
            in++;
            skip_space();
            if (in < in_end && *in == levels[depth - 1].close)
                goto close;
            if (levels[depth - 1].close == '}')
                goto member;
            rule = levels[depth - 1].rule;
            if (wrong != OK)
                return wrong;
            continue;
        case '"':
            wrong = pass_string(&from, &to);
            if (wrong == OK && !silent)
                wrong = put_scalar(rule, 1, from, to, whole);
            break;
        case 't':
        case 'f':
            wrong = pass_word(*in == 't' ? "true" : "false");
            if (wrong == OK && !silent)
                wrong = rule == KEEP || rule == THING || rule == CODE ? put(whole, (u32)(in - whole)) : put_removed();
            break;
        case 'n':
            wrong = pass_word("null");
            if (wrong == OK && !silent)
                wrong = put_text("null");
            break;
        default:
            wrong = pass_number();
            if (wrong == OK && !silent)
                wrong = put_scalar(rule, 0, whole, in, whole);
        }
        if (wrong != OK)
            return wrong;
    after:
        skip_space();
        if (depth == 0)
            return in == in_end ? OK : SYNTAX;
        if (in >= in_end)
            return SYNTAX;
        if (*in == levels[depth - 1].close)
            goto close;
        if (*in != ',')
            return SYNTAX;
        in++;
        skip_space();
        if (!silent && put_text(",") != OK)
            return MEMORY;
        if (levels[depth - 1].close == ']') {
            rule = levels[depth - 1].rule;
            continue;
        }
    member:
        if (in >= in_end || *in != '"')
            return SYNTAX;
        whole = in;
        if (pass_string(&from, &to) != OK)
            return SYNTAX;
        if (!silent && put(whole, (u32)(in - whole)) != OK)
            return MEMORY;
        skip_space();
        if (in >= in_end || *in++ != ':')
            return SYNTAX;
        if (!silent && put_text(":") != OK)
            return MEMORY;
        rule = rule_for(from, to, levels[depth - 1].rule);
        continue;
    close:
        if (!silent && put(in, 1) != OK)
            return MEMORY;
        in++;
        depth--;
        silent = depth > 0 && levels[depth - 1].silent;
        goto after;
    }
}

static int fail(const char *why) {
    u64 length = 0;
    while (why[length])
        length++;
    u64 to = extism_alloc(length);
    for (u64 at = 0; at < length; at++)
        extism_store_u8(to + at, (u8)why[at]);
    extism_error_set(to);
    return 1;
}

static int load(void) {
    u64 length = extism_input_length();
    u8 *start = &__heap_base;
    if (length > 0x20000000 || grow(start + length + 8) != OK)
        return MEMORY;
    u64 at = 0;
    for (; at + 8 <= length; at += 8)
        *(u64 *)(start + at) = extism_input_load_u64(at);
    for (; at < length; at++)
        start[at] = (u8)extism_input_load_u8(at);
    in = start;
    in_end = start + length;
    out = out_end = out_limit = start + ((length + 15) & ~7ull);
    return OK;
}

static int store(void) {
    u64 length = (u64)(out_end - out);
    u64 to = extism_alloc(length), at = 0;
    if (to == 0)
        return MEMORY;
    for (; at + 8 <= length; at += 8)
        extism_store_u64(to + at, *(u64 *)(out + at));
    for (; at < length; at++)
        extism_store_u8(to + at, out[at]);
    extism_output_set(to, length);
    return OK;
}

EXPORT(deidentify) int deidentify(void) {
    int wrong = load();
    if (wrong == OK)
        wrong = transform();
    if (wrong == OK)
        wrong = store();
    switch (wrong) {
    case OK:
        return 0;
    case DEEP:
        return fail("the record is nested deeper than 64 levels");
    case MEMORY:
        return fail("the record is too large");
    default:
        return fail("the record is not JSON");
    }
}
