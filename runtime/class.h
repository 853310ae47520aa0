/* SPDX-License-Identifier: MIT */
/* class.h - which tables are error classes, and what each derives from.
 *
 * Every error that is caught is asked for its class several times, so the
 * answer is found in C, by the tables' addresses. */
#ifndef NEAP_CLASS_H
#define NEAP_CLASS_H

#include <lua.h>

#include "runtime/error.h"
#include "runtime/runtime.h"

/* [-0, +0, m] Before the first class. */
void neap_classes_open(lua_State *L, neap_runtime *rt);

/* [-0, +0, m] Makes the table on the top a class, for good: derived from the
 * one at `parent`, or the root (0). */
void neap_class_add(lua_State *L, neap_runtime *rt, int parent);

/* [-1, +0, m] Gives the class on the top its number; they come in order. */
void neap_class_set(lua_State *L, neap_runtime *rt, neap_class class_id);

#endif
