/* Words in a text that have the form of an identifier. Part of deidentify.c.
 *
 * A text is looked at as what it means, not as it is written: escapes, spaces of any width, dashes of any length and
 * full-width digits count as what they stand for. What is removed becomes [removed], neighbours together as one, and
 * has none of the forms itself, so a second pass changes nothing. */
#ifndef BELLGATE_DEIDENTIFY_TEXT_H
#define BELLGATE_DEIDENTIFY_TEXT_H

#define WORD_MAX 12

/* The next character, as far as the rules look at it: ASCII is itself, control characters and spaces are ' ', other dashes '-', other
 * letters and marks 0x80. What stands between the quotes has passed pass_string. */
static u32 next_character(const u8 **at) {
    u32 c = *(*at)++;
    if (c == '\\') {
        c = *(*at)++;
        if (c == 'u') {
            c = 0;
            for (u32 digit = 0; digit < 4; digit++)
                c = c << 4 | (u32)hex(*(*at)++);
        } else if (c != '"' && c != '\\' && c != '/') {
            return ' ';
        }
    } else if (c >= 0x80) {
        u32 more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : 1;
        c &= 0x3f >> more;
        while (more--)
            c = c << 6 | (*(*at)++ & 0x3f);
    }
    if (c - 0xff01 < 0x5e)
        c -= 0xff01 - 0x21; /* full-width forms of ASCII */
    if (c <= ' ' || c == 0x7f || c == 0xa0 || c == 0x1680 || c - 0x2000 < 12 || c == 0x2028 || c == 0x2029 || c == 0x202f ||
        c == 0x205f || c == 0x3000 || c == 0xfeff)
        return ' ';
    if (c - 0x2010 < 6 || c == 0x2212)
        return '-';
    return c < 0x80 ? c : 0x80;
}

static int is_upper(u32 c) { return c - 'A' < 26; }
static int is_letter(u32 c) { return (c | 32) - 'a' < 26; }
static int breaks_words(u32 c) { return c == ' ' || c == ',' || c == ';' || c == '|' || c == '"' || c == '<' || c == '>'; }

/* One word of a text, with what the rules ask of it. */
struct word {
    const u8 *from, *to;
    u32 gap;      /* characters before it that break words, other than spaces */
    u32 digits, run, groups, letters, others, dots, colons, strokes, other_hex, length;
    u32 year;     /* the value of its only run of four digits */
    int at_sign, slashes, is_www;
    u32 first, second, third;
    char text[WORD_MAX + 1]; /* its letters in lower case, as far as there is room */
    u32 text_length;
};

/* Finds the next word; 0 where there is none. */
static int next_word(const u8 *at, const u8 *to, struct word *word) {
    *word = (struct word){.from = at};
    while (at < to) {
        word->from = at;
        u32 c = next_character(&at);
        if (!breaks_words(c)) {
            at = word->from;
            break;
        }
        word->gap += c != ' ';
        word->from = at;
    }
    if (word->from >= to)
        return 0;
    u32 run = 0, before = 0, earlier = 0;
    while (at < to) {
        const u8 *start = at;
        u32 c = next_character(&at);
        if (breaks_words(c)) {
            at = start;
            break;
        }
        word->length++;
        if (word->length == 1) word->first = c;
        if (word->length == 2) word->second = c;
        if (word->length == 3) word->third = c;
        if (is_digit(c)) {
            word->digits++;
            word->groups += run == 0;
            word->year = run == 0 ? c - '0' : run < 4 ? word->year * 10 + (c - '0') : 0;
            if (++run > word->run)
                word->run = run;
        } else {
            run = 0;
            if (c == '.') word->dots++;
            else if (c == ':') word->colons++;
            else if (c == '/') word->strokes++;
            else if (is_letter(c)) {
                word->letters++;
                if ((c | 32) > 'f') word->other_hex++;
                if (word->text_length <= WORD_MAX) word->text_length++;
                if (word->text_length <= WORD_MAX) word->text[word->text_length - 1] = (char)(c | 32);
            } else if (c != '-' && c != '(' && c != ')' && c != '+' && c != '\'' && c != '!' && c != '?') {
                word->others++;
            }
            if (c == '@') word->at_sign = 1;
            if (c == '/' && before == '/' && earlier == ':') word->slashes = 1;
        }
        earlier = before;
        before = c;
    }
    word->to = at;
    if (word->text_length <= WORD_MAX)
        word->text[word->text_length] = 0;
    word->is_www = word->dots > 1 && word->text[0] == 'w' && word->text[1] == 'w' && word->text[2] == 'w';
    return 1;
}

static int is_word_of(const struct word *word, const char *const *list) {
    for (; word->text_length <= WORD_MAX && *list; list++)
        if (same(word->text, *list))
            return 1;
    return 0;
}

/* Digits and what stands between the digits of one number. */
static int is_number(const struct word *word) { return word->digits && !word->letters && !word->others; }

/* "0.0025", "12.5" */
static int is_decimal(const struct word *word) {
    return is_number(word) && word->dots == 1 && word->groups == 2 && is_digit(word->first) &&
           (word->second == '.' || word->third == '.');
}

/* A group of digits of a telephone number; "120/80" and "12.5" are none. */
static int is_group(const struct word *word) { return is_number(word) && !word->strokes && !is_decimal(word); }

/* A day of a month: "7", "12", "3rd". */
static int is_day(const struct word *word) {
    return word->groups == 1 && word->digits <= 2 && !word->others && (!word->letters || word->text_length == 2);
}

static int is_month(const struct word *word) { return !word->digits && !word->others && is_word_of(word, months); }

/* "A." before a name, and "Dr" or "Dr." before one. */
static int announces_a_name(const struct word *word) {
    int initial = word->length == 2 && is_upper(word->first) && word->second == '.';
    return initial || (!word->digits && !word->others && is_word_of(word, titles));
}

/* "A.Example" */
static int is_name_with_initial(const struct word *word) {
    return word->letters > 2 && is_upper(word->first) && word->second == '.' && is_upper(word->third) && word->dots == 1;
}

/* Whether a word by itself has the form of an identifier. */
static int identifies(const struct word *word) {
    if ((word->at_sign && word->length > 1) || word->slashes || word->is_www || is_name_with_initial(word))
        return 1;
    if (word->colons > 1 && word->digits && !word->other_hex && !word->others)
        return 1; /* an address of IPv6, or a time to the second */
    if (is_number(word) && word->groups == 4 && word->dots > 2)
        return 1; /* an address of IPv4 */
    if (is_number(word) && word->groups == 3 && (word->strokes == 2 || (word->dots > 1 && word->digits > 4)))
        return 1; /* a date, "8/12/57" or "12.8.57" */
    if (is_decimal(word))
        return 0;
    int is_year = word->digits == 4 && word->run == 4 && word->year >= 1900 && word->year <= 2099;
    return word->digits > 5 || (word->run > 3 && !is_year);
}

/* Where the identifier ends that begins with `word`; 0 where none does. */
static const u8 *identifier_from(const struct word *word, const u8 *to) {
    static struct word next;
    const u8 *end = identifies(word) ? word->to : 0;
    if (announces_a_name(word)) {
        /* With all that begins with a capital after it. */
        for (const u8 *at = word->to; next_word(at, to, &next) && !next.gap && is_upper(next.first); at = next.to)
            end = next.to;
        return end;
    }
    if (is_group(word)) {
        /* The groups of one telephone number. */
        u32 digits = word->digits;
        const u8 *at = word->to;
        while (next_word(at, to, &next) && !next.gap && is_group(&next)) {
            digits += next.digits;
            at = next.to;
        }
        if (digits > 6)
            return at;
    }
    if (next_word(word->to, to, &next) && !next.gap &&
        ((is_day(word) && is_month(&next)) || (is_month(word) && is_day(&next))))
        return next.to;
    return end;
}

/* A text that is one word without '@'. */
static int is_code(const u8 *from, const u8 *to) {
    while (from < to) {
        u32 c = next_character(&from);
        if (c == ' ' || c == '@')
            return 0;
    }
    return 1;
}

static int put_text_without_identifiers(const u8 *from, const u8 *to) {
    static struct word word;
    const u8 *kept = from, *removed = 0; /* where what is not written yet begins; the end of the last removed */
    int wrong = put_text("\"");
    for (const u8 *at = from; wrong == OK && next_word(at, to, &word); at = word.to) {
        const u8 *end = identifier_from(&word, to);
        if (!end)
            continue;
        /* Two neighbours with spaces alone between them are one. */
        if (!(removed && !word.gap && kept == removed && at == removed))
            wrong = put(kept, (u32)(word.from - kept)) || put_text("[removed]");
        kept = removed = word.to = end;
    }
    if (wrong != OK)
        return wrong;
    return put(kept, (u32)(to - kept)) || put_text("\"");
}

#endif
