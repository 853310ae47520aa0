/* SPDX-License-Identifier: MIT */
/* matcher.c - the pattern matching of lstrlib.c; see matcher.h. */
#include "runtime/matcher.h"

#include <ctype.h>
#include <string.h>

#include <lauxlib.h>

#include "runtime/limits.h"

#define uchar(c) ((unsigned char)(c))

/* neap: every loop of the matcher comes by here. */
void neap_match_work(neap_matcher *ms, size_t work) {
  if (work < ms->left) {
    ms->left -= (unsigned)work;
  } else {
    ms->left = NEAP_MATCH_UNIT;
    neap_limits_work(ms->L, ms->rt, work + NEAP_MATCH_UNIT);
  }
}

static int check_capture(neap_matcher *ms, int l) {
  l -= '1';
  if ((l < 0 || l >= ms->level ||
       ms->capture[l].len == NEAP_CAPTURE_UNFINISHED))
    return luaL_error(ms->L, "invalid capture index %%%d", l + 1);
  return l;
}

static int capture_to_close(neap_matcher *ms) {
  int level = ms->level;
  for (level--; level >= 0; level--) {
    if (ms->capture[level].len == NEAP_CAPTURE_UNFINISHED)
      return level;
  }
  return luaL_error(ms->L, "invalid pattern capture");
}

static const char *classend(neap_matcher *ms, const char *p) {
  switch (*p++) {
  case NEAP_MATCH_ESCAPE: {
    if ((p == ms->p_end))
      luaL_error(ms->L, "malformed pattern (ends with '%%')");
    return p + 1;
  }
  case '[': {
    if (*p == '^')
      p++;
    do { /* look for a ']' */
      if ((p == ms->p_end))
        luaL_error(ms->L, "malformed pattern (missing ']')");
      if (*(p++) == NEAP_MATCH_ESCAPE && p < ms->p_end)
        p++; /* skip escapes (e.g. '%]') */
    } while (*p != ']');
    return p + 1;
  }
  default: {
    return p;
  }
  }
}

static int match_class(int c, int cl) {
  int res;
  switch (tolower(cl)) {
  case 'a':
    res = isalpha(c);
    break;
  case 'c':
    res = iscntrl(c);
    break;
  case 'd':
    res = isdigit(c);
    break;
  case 'g':
    res = isgraph(c);
    break;
  case 'l':
    res = islower(c);
    break;
  case 'p':
    res = ispunct(c);
    break;
  case 's':
    res = isspace(c);
    break;
  case 'u':
    res = isupper(c);
    break;
  case 'w':
    res = isalnum(c);
    break;
  case 'x':
    res = isxdigit(c);
    break;
  case 'z':
    res = (c == 0);
    break; /* deprecated option */
  default:
    return (cl == c);
  }
  return (islower(cl) ? res : !res);
}

static int matchbracketclass(int c, const char *p, const char *ec) {
  int sig = 1;
  if (*(p + 1) == '^') {
    sig = 0;
    p++; /* skip the '^' */
  }
  while (++p < ec) {
    if (*p == NEAP_MATCH_ESCAPE) {
      p++;
      if (match_class(c, uchar(*p)))
        return sig;
    } else if ((*(p + 1) == '-') && (p + 2 < ec)) {
      p += 2;
      if (uchar(*(p - 2)) <= c && c <= uchar(*p))
        return sig;
    } else if (uchar(*p) == c)
      return sig;
  }
  return !sig;
}

static int singlematch(neap_matcher *ms, const char *s, const char *p,
                       const char *ep) {
  neap_match_work(ms, 1);
  if (s >= ms->src_end) {
    return 0;
  } else {
    int c = uchar(*s);
    switch (*p) {
    case '.':
      return 1; /* matches any char */
    case NEAP_MATCH_ESCAPE:
      return match_class(c, uchar(*(p + 1)));
    case '[':
      return matchbracketclass(c, p, ep - 1);
    default:
      return (uchar(*p) == c);
    }
  }
}

static const char *matchbalance(neap_matcher *ms, const char *s,
                                const char *p) {
  if ((p >= ms->p_end - 1))
    luaL_error(ms->L, "malformed pattern (missing arguments to '%%b')");
  if (*s != *p) {
    return NULL;
  } else {
    int b = uchar(*p);
    int e = uchar(*(p + 1));
    int cont = 1;
    while (++s < ms->src_end) {
      neap_match_work(ms, 1);
      if (uchar(*s) == e) {
        if (--cont == 0)
          return s + 1;
      } else if (uchar(*s) == b)
        cont++;
    }
  }
  return NULL; /* string ends out of balance */
}

static const char *max_expand(neap_matcher *ms, const char *s, const char *p,
                              const char *ep) {
  ptrdiff_t i = 0; /* counts maximum expand for item */
  while (singlematch(ms, s + i, p, ep))
    i++;
  /* keeps trying to match with the maximum repetitions */
  while (i >= 0) {
    const char *res = neap_match(ms, (s + i), ep + 1);
    if (res)
      return res;
    i--; /* else didn't match; reduce 1 repetition to try again */
  }
  return NULL;
}

static const char *min_expand(neap_matcher *ms, const char *s, const char *p,
                              const char *ep) {
  for (;;) {
    const char *res = neap_match(ms, s, ep + 1);
    if (res != NULL) {
      return res;
    } else if (singlematch(ms, s, p, ep)) {
      s++; /* try with one more repetition */
    } else {
      return NULL;
    }
  }
}

static const char *start_capture(neap_matcher *ms, const char *s, const char *p,
                                 int what) {
  const char *res;
  int level = ms->level;
  if (level >= NEAP_MATCH_CAPTURES)
    luaL_error(ms->L, "too many captures");
  ms->capture[level].init = s;
  ms->capture[level].len = what;
  ms->level = (unsigned char)(level + 1);
  if ((res = neap_match(ms, s, p)) == NULL) /* match failed? */
    ms->level--;                            /* undo capture */
  return res;
}

static const char *end_capture(neap_matcher *ms, const char *s, const char *p) {
  int l = capture_to_close(ms);
  const char *res;
  ms->capture[l].len = s - ms->capture[l].init;   /* close capture */
  if ((res = neap_match(ms, s, p)) == NULL)       /* match failed? */
    ms->capture[l].len = NEAP_CAPTURE_UNFINISHED; /* undo capture */
  return res;
}

static const char *match_capture(neap_matcher *ms, const char *s, int l) {
  size_t len;
  l = check_capture(ms, l);
  len = (size_t)ms->capture[l].len;
  neap_match_work(ms, neap_bytes_work((size_t)(ms->src_end - s)));
  if ((size_t)(ms->src_end - s) >= len &&
      memcmp(ms->capture[l].init, s, len) == 0) {
    return s + len;
  } else {
    return NULL;
  }
}

/* Kept as it is in lstrlib.c, to be compared with it:
 * NOLINTNEXTLINE(readability-function-*,bugprone-branch-clone) */
const char *neap_match(neap_matcher *ms, const char *s, const char *p) {
  if ((ms->matchdepth-- == 0))
    luaL_error(ms->L, "pattern too complex");
  neap_match_work(ms, 1);
init:                   /* using goto's to optimize tail recursion */
  if (p != ms->p_end) { /* end of pattern? */
    switch (*p) {
    case '(': {              /* start capture */
      if (*(p + 1) == ')') { /* position capture? */
        s = start_capture(ms, s, p + 2, NEAP_CAPTURE_POSITION);
      } else {
        s = start_capture(ms, s, p + 1, NEAP_CAPTURE_UNFINISHED);
      }
      break;
    }
    case ')': { /* end capture */
      s = end_capture(ms, s, p + 1);
      break;
    }
    case '$': {
      if ((p + 1) != ms->p_end) /* is the '$' the last char in pattern? */
        goto dflt;              /* no; go to default */
      s = (s == ms->src_end) ? s : NULL; /* check end of string */
      break;
    }
    case NEAP_MATCH_ESCAPE: { /* escaped sequences not in the format class[*+?-]? */
      switch (*(p + 1)) {
      case 'b': { /* balanced string? */
        s = matchbalance(ms, s, p + 2);
        if (s != NULL) {
          p += 4;
          goto init; /* return neap_match(ms, s, p + 4); */
        }            /* else fail (s == NULL) */
        break;
      }
      case 'f': { /* frontier? */
        const char *ep;
        char previous;
        p += 2;
        if ((*p != '['))
          luaL_error(ms->L, "missing '[' after '%%f' in pattern");
        ep = classend(ms, p); /* points to what is next */
        previous = (char)((s == ms->src_init) ? '\0' : *(s - 1));
        if (!matchbracketclass(uchar(previous), p, ep - 1) &&
            matchbracketclass(uchar(*s), p, ep - 1)) {
          p = ep;
          goto init; /* return neap_match(ms, s, ep); */
        }
        s = NULL; /* match failed */
        break;
      }
      case '0':
      case '1':
      case '2':
      case '3':
      case '4':
      case '5':
      case '6':
      case '7':
      case '8':
      case '9': { /* capture results (%0-%9)? */
        s = match_capture(ms, s, uchar(*(p + 1)));
        if (s != NULL) {
          p += 2;
          goto init; /* return neap_match(ms, s, p + 2) */
        }
        break;
      }
      default:
        goto dflt;
      }
      break;
    }
    default:
    dflt : {                            /* pattern class plus optional suffix */
      const char *ep = classend(ms, p); /* points to optional suffix */
      /* does not match at least once? */
      if (!singlematch(ms, s, p, ep)) {
        if (*ep == '*' || *ep == '?' || *ep == '-') { /* accept empty? */
          p = ep + 1;
          goto init;   /* return neap_match(ms, s, ep + 1); */
        } else         /* '+' or no suffix */
          s = NULL;    /* fail */
      } else {         /* matched once */
        switch (*ep) { /* handle optional suffix */
        case '?': {    /* optional */
          const char *res;
          if ((res = neap_match(ms, s + 1, ep + 1)) != NULL) {
            s = res;
          } else {
            p = ep + 1;
            goto init; /* else return neap_match(ms, s, ep + 1); */
          }
          break;
        }
        case '+': /* 1 or more repetitions */
          s++;    /* 1 match already done */
          /* fall through */
        case '*': /* 0 or more repetitions */
          s = max_expand(ms, s, p, ep);
          break;
        case '-': /* 0 or more repetitions (minimum) */
          s = min_expand(ms, s, p, ep);
          break;
        default: /* no suffix */
          s++;
          p = ep;
          goto init; /* return neap_match(ms, s + 1, ep); */
        }
      }
      break;
    }
    }
  }
  ms->matchdepth++;
  return s;
}
