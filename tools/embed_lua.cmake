# embed_lua.cmake - writes the Lua sources as C, for bindings/lua_sources.h.
#
#   cmake -DROOT=bindings/lua -DLIST=names.txt -DOUTPUT=out.c -P embed_lua.cmake
#
# LIST has one path a line. ROOT/neap/require.lua gets the name "neap.require".
# What a source adds to the module is found by "function neap.name(" at the
# beginning of a line.
file(STRINGS ${LIST} files)
set(arrays "")
set(entries "")
set(index 0)

foreach(path IN LISTS files)
  cmake_path(RELATIVE_PATH path BASE_DIRECTORY ${ROOT} OUTPUT_VARIABLE name)
  string(REGEX REPLACE "\\.lua$" "" name ${name})
  string(REPLACE "/" "." name ${name})

  file(STRINGS ${path} lines REGEX "^function neap\\.[A-Za-z_]+\\(")
  set(provides " ")
  foreach(line IN LISTS lines)
    string(REGEX REPLACE "^function neap\\.([A-Za-z_]+).*" "\\1" line "${line}")
    string(APPEND provides "${line} ")
  endforeach()

  file(READ ${path} bytes HEX)
  string(REGEX REPLACE "(..)" "0x\\1," bytes "${bytes}")
  string(REGEX REPLACE "(0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,)"
    "\\1\n  " bytes "${bytes}")

  string(APPEND arrays
    "/* ${name} */\nstatic const unsigned char text_${index}[] = {\n"
    "  ${bytes}0x00\n};\n\n")
  string(APPEND entries
    "  {\"${name}\", \"${provides}\", (const char *)text_${index},\n"
    "   sizeof text_${index} - 1},\n")
  math(EXPR index "${index} + 1")
endforeach()

file(WRITE ${OUTPUT}
  "/* Made by tools/embed_lua.cmake; do not edit. */\n"
  "#include \"bindings/lua_sources.h\"\n\n"
  "#include <stddef.h>\n\n"
  "${arrays}"
  "const neap_lua_source neap_lua_sources[] = {\n"
  "${entries}  {NULL, NULL, NULL, 0},\n};\n")
