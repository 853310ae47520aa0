/* SPDX-License-Identifier: MIT */
/* pattern.c - string.find, match, gmatch and gsub that count their work.
 *
 * This is lstrlib.c of Lua 5.4, Copyright (C) 1994-2022
 * Lua.org, PUC-Rio, under the MIT licence, with as few changes as there can be:
 * neap_match_work is called in every loop. */
#include <ctype.h>
#include <string.h>

#include <lauxlib.h>

#include "bindings/neap.h"
#include "runtime/matcher.h"

#define uchar(c) ((unsigned char)(c))
#define SPECIALS "^$*+?.([%-"

/* translate a relative initial string position */
static size_t posrelatI(lua_Integer pos, size_t len) {
  if (pos > 0) {
    return (size_t)pos;
  } else if (pos == 0 || pos < -(lua_Integer)len) {
    return 1;
  } else {
    return len + (size_t)pos + 1;
  }
}

static const char *lmemfind(neap_matcher *ms, const char *s1, size_t l1,
                            const char *s2, size_t l2) {
  if (l2 == 0) {
    return s1; /* empty strings are everywhere */
  } else if (l2 > l1) {
    return NULL; /* avoids a negative 'l1' */
  } else {
    const char *init; /* to search for a '*s2' inside 's1' */
    l2--;             /* 1st char will be checked by 'memchr' */
    l1 = l1 - l2;     /* 's2' cannot be found after that */
    while (l1 > 0 && (init = memchr(s1, *s2, l1)) != NULL) {
      neap_match_work(ms, neap_bytes_work(l2 + (size_t)(init - s1)));
      init++; /* 1st char is already checked */
      if (memcmp(init, s2 + 1, l2) == 0) {
        return init - 1;
      } else { /* correct 'l1' and 's1' to try again */
        l1 -= (size_t)(init - s1);
        s1 = init;
      }
    }
    return NULL; /* not found */
  }
}

/*
** get information about the i-th capture. If there are no captures
** and 'i==0', return information about the whole match, which
** is the range 's'..'e'. If the capture is a string, return
** its length and put its address in '*cap'. If it is an integer
** (a position), push it on the stack and return NEAP_CAPTURE_POSITION.
*/
static ptrdiff_t get_onecapture(neap_matcher *ms, int i, const char *s,
                                const char *e, const char **cap) {
  if (i >= ms->level) {
    if ((i != 0))
      luaL_error(ms->L, "invalid capture index %%%d", i + 1);
    *cap = s;
    return e - s;
  } else {
    ptrdiff_t capl = ms->capture[i].len;
    *cap = ms->capture[i].init;
    if (capl == NEAP_CAPTURE_UNFINISHED) {
      luaL_error(ms->L, "unfinished capture");
    } else if (capl == NEAP_CAPTURE_POSITION) {
      lua_pushinteger(ms->L, (ms->capture[i].init - ms->src_init) + 1);
    }
    return capl;
  }
}

/*
** Push the i-th capture on the stack.
*/
static void push_onecapture(neap_matcher *ms, int i, const char *s,
                            const char *e) {
  const char *cap;
  ptrdiff_t l = get_onecapture(ms, i, s, e, &cap);
  if (l != NEAP_CAPTURE_POSITION)
    lua_pushlstring(ms->L, cap, (size_t)l);
  /* else position was already pushed */
}

static int push_captures(neap_matcher *ms, const char *s, const char *e) {
  int i;
  int nlevels = (ms->level == 0 && s) ? 1 : ms->level;
  luaL_checkstack(ms->L, nlevels, "too many captures");
  for (i = 0; i < nlevels; i++)
    push_onecapture(ms, i, s, e);
  return nlevels; /* number of strings pushed */
}

/* check whether pattern has no special characters */
static int nospecials(const char *p, size_t l) {
  size_t upto = 0;
  do {
    if (strpbrk(p + upto, SPECIALS))
      return 0;                   /* pattern has a special character */
    upto += strlen(p + upto) + 1; /* may have more after \0 */
  } while (upto <= l);
  return 1; /* no special chars found */
}

static void prepstate(neap_matcher *ms, lua_State *L, const char *s, size_t ls,
                      const char *p, size_t lp) {
  ms->L = L;
  ms->rt = neap_runtime_up(L);
  ms->left = NEAP_MATCH_UNIT;
  ms->matchdepth = NEAP_MATCH_DEPTH;
  ms->src_init = s;
  ms->src_end = s + ls;
  ms->p_end = p + lp;
}

static void reprepstate(neap_matcher *ms) {
  ms->level = 0;
}

static int str_find_aux(lua_State *L, int find) {
  size_t ls, lp;
  const char *s = luaL_checklstring(L, 1, &ls);
  const char *p = luaL_checklstring(L, 2, &lp);
  size_t init = posrelatI(luaL_optinteger(L, 3, 1), ls) - 1;
  if (init > ls) {    /* start after string's end? */
    luaL_pushfail(L); /* cannot find anything */
    return 1;
  }
  /* explicit request or no special characters? */
  if (find && (lua_toboolean(L, 4) || nospecials(p, lp))) {
    /* do a plain search */
    neap_matcher ms;
    prepstate(&ms, L, s, ls, p, lp);
    neap_match_work(&ms, neap_bytes_work(ls - init));
    const char *s2 = lmemfind(&ms, s + init, ls - init, p, lp);
    if (s2) {
      lua_pushinteger(L, (s2 - s) + 1);
      lua_pushinteger(L, (s2 - s) + (lua_Integer)lp);
      return 2;
    }
  } else {
    neap_matcher ms;
    const char *s1 = s + init;
    int anchor = (*p == '^');
    if (anchor) {
      p++;
      lp--; /* skip anchor character */
    }
    prepstate(&ms, L, s, ls, p, lp);
    do {
      const char *res;
      reprepstate(&ms);
      if ((res = neap_match(&ms, s1, p)) != NULL) {
        if (find) {
          lua_pushinteger(L, (s1 - s) + 1); /* start */
          lua_pushinteger(L, res - s);      /* end */
          return push_captures(&ms, NULL, 0) + 2;
        } else
          return push_captures(&ms, s1, res);
      }
    } while (s1++ < ms.src_end && !anchor);
  }
  luaL_pushfail(L); /* not found */
  return 1;
}

int neap_l_find(lua_State *L) {
  return str_find_aux(L, 1);
}

int neap_l_match(lua_State *L) {
  return str_find_aux(L, 0);
}

/* state for 'gmatch' */
typedef struct GMatchState {
  const char *src;       /* current position */
  const char *p;         /* pattern */
  const char *lastmatch; /* end of last match */
  neap_matcher ms;       /* match state */
} GMatchState;

static int gmatch_aux(lua_State *L) {
  GMatchState *gm = (GMatchState *)lua_touserdata(L, lua_upvalueindex(4));
  const char *src;
  gm->ms.L = L;
  gm->ms.left = NEAP_MATCH_UNIT;
  for (src = gm->src; src <= gm->ms.src_end; src++) {
    const char *e;
    reprepstate(&gm->ms);
    if ((e = neap_match(&gm->ms, src, gm->p)) != NULL && e != gm->lastmatch) {
      gm->src = gm->lastmatch = e;
      return push_captures(&gm->ms, src, e);
    }
  }
  return 0; /* not found */
}

int neap_l_gmatch(lua_State *L) {
  size_t ls, lp;
  const char *s = luaL_checklstring(L, 1, &ls);
  const char *p = luaL_checklstring(L, 2, &lp);
  size_t init = posrelatI(luaL_optinteger(L, 3, 1), ls) - 1;
  GMatchState *gm;
  lua_settop(L, 2); /* keep strings on closure to avoid being collected */
  gm = (GMatchState *)lua_newuserdatauv(L, sizeof(GMatchState), 0);
  if (init > ls)   /* start after string's end? */
    init = ls + 1; /* avoid overflows in 's + init' */
  prepstate(&gm->ms, L, s, ls, p, lp);
  gm->src = s + init;
  gm->p = p;
  gm->lastmatch = NULL;
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_pushcclosure(L, gmatch_aux, 4);
  return 1;
}

static void add_s(neap_matcher *ms, luaL_Buffer *b, const char *s,
                  const char *e) {
  size_t l;
  lua_State *L = ms->L;
  const char *news = lua_tolstring(L, 3, &l);
  const char *p;
  while ((p = memchr(news, NEAP_MATCH_ESCAPE, l)) != NULL) {
    luaL_addlstring(b, news, (size_t)(p - news));
    p++;                           /* skip ESC */
    if (*p == NEAP_MATCH_ESCAPE) { /* '%%' */
      luaL_addchar(b, *p);
    } else if (*p == '0') { /* '%0' */
      luaL_addlstring(b, s, (size_t)(e - s));
    } else if (isdigit(uchar(*p))) { /* '%n' */
      const char *cap;
      ptrdiff_t resl = get_onecapture(ms, *p - '1', s, e, &cap);
      if (resl == NEAP_CAPTURE_POSITION) {
        luaL_addvalue(b); /* add position to accumulated result */
      } else {
        luaL_addlstring(b, cap, (size_t)resl);
      }
    } else {
      luaL_error(L, "invalid use of '%c' in replacement string",
                 NEAP_MATCH_ESCAPE);
    }
    l -= (size_t)(p + 1 - news);
    news = p + 1;
  }
  luaL_addlstring(b, news, l);
}

/*
** Add the replacement value to the string buffer 'b'.
** Return true if the original string was changed. (Function calls and
** table indexing resulting in nil or false do not change the subject.)
*/
static int add_value(neap_matcher *ms, luaL_Buffer *b, const char *s,
                     const char *e, int tr) {
  lua_State *L = ms->L;
  switch (tr) {
  case LUA_TFUNCTION: { /* call the function */
    int n;
    lua_pushvalue(L, 3);         /* push the function */
    n = push_captures(ms, s, e); /* all captures as arguments */
    lua_call(L, n, 1);           /* call it */
    break;
  }
  case LUA_TTABLE: {              /* index the table */
    push_onecapture(ms, 0, s, e); /* first capture is the index */
    lua_gettable(L, 3);
    break;
  }
  default: {            /* LUA_TNUMBER or LUA_TSTRING */
    add_s(ms, b, s, e); /* add value to the buffer */
    return 1;           /* something changed */
  }
  }
  if (!lua_toboolean(L, -1)) {              /* nil or false? */
    lua_pop(L, 1);                          /* remove value */
    luaL_addlstring(b, s, (size_t)(e - s)); /* keep original text */
    return 0;                               /* no changes */
  } else if ((!lua_isstring(L, -1))) {
    return luaL_error(L, "invalid replacement value (a %s)",
                      luaL_typename(L, -1));
  } else {
    luaL_addvalue(b); /* add result to accumulator */
    return 1;         /* something changed */
  }
}

int neap_l_gsub(lua_State *L) {
  size_t srcl, lp;
  const char *src = luaL_checklstring(L, 1, &srcl); /* subject */
  const char *p = luaL_checklstring(L, 2, &lp);     /* pattern */
  const char *lastmatch = NULL;                     /* end of last match */
  int tr = lua_type(L, 3);                          /* replacement type */
  lua_Integer max_s =
      luaL_optinteger(L, 4, (lua_Integer)srcl + 1); /* max replacements */
  int anchor = (*p == '^');
  lua_Integer n = 0; /* replacement count */
  int changed = 0;   /* change flag */
  neap_matcher ms;
  luaL_Buffer b;
  luaL_argexpected(L,
                   tr == LUA_TNUMBER || tr == LUA_TSTRING ||
                       tr == LUA_TFUNCTION || tr == LUA_TTABLE,
                   3, "string/function/table");
  luaL_buffinit(L, &b);
  if (anchor) {
    p++;
    lp--; /* skip anchor character */
  }
  prepstate(&ms, L, src, srcl, p, lp);
  while (n < max_s) {
    const char *e;
    reprepstate(&ms); /* (re)prepare state for new match */
    if ((e = neap_match(&ms, src, p)) != NULL && e != lastmatch) { /* match? */
      n++;
      changed = add_value(&ms, &b, src, e, tr) | changed;
      src = lastmatch = e;
    } else if (src < ms.src_end) { /* otherwise, skip one character */
      luaL_addchar(&b, *src++);
    } else {
      break; /* end of subject */
    }
    if (anchor)
      break;
  }
  if (!changed) {        /* no changes? */
    lua_pushvalue(L, 1); /* return original string */
  } else {               /* something changed */
    luaL_addlstring(&b, src, (size_t)(ms.src_end - src));
    luaL_pushresult(&b); /* create and return new string */
  }
  lua_pushinteger(L, n); /* number of substitutions */
  return 2;
}
