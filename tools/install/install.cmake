# What `cmake --install` puts where, and what CPack makes of it. Everything is
# found relative to itself, so an installed tree may be moved.
set(here ${CMAKE_CURRENT_LIST_DIR})

# Under /usr/local, and under Debian's /usr, this is where lua5.4 looks.
set(NEAP_LUA_CMODDIR ${CMAKE_INSTALL_LIBDIR}/lua/5.4 CACHE STRING
  "Where the Lua module goes")

install(TARGETS neap_module LIBRARY DESTINATION ${NEAP_LUA_CMODDIR})
if(NEAP_MODULE_ONLY)
  return()
endif()

# --- Program, libraries, header, manual page ---------------------------------

install(TARGETS neap)
install(TARGETS libneap libneap_static EXPORT neap)
install(FILES runtime/neap.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(FILES docs/neap.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} RENAME copyright)

# --- pkg-config --------------------------------------------------------------

set(pc_dir ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
file(RELATIVE_PATH neap_prefix_from_pc /prefix/${pc_dir} /prefix)
string(REGEX REPLACE "/$" "" neap_prefix_from_pc ${neap_prefix_from_pc})
configure_file(${here}/neap.pc.in generated/neap.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/generated/neap.pc DESTINATION ${pc_dir})

# --- find_package ------------------------------------------------------------

include(CMakePackageConfigHelpers)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/neap)
configure_package_config_file(${here}/neapConfig.cmake.in
  generated/neapConfig.cmake INSTALL_DESTINATION ${package_dir})
# Before 1.0 a minor version may change the API.
write_basic_package_version_file(generated/neapConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/generated/neapConfig.cmake
  ${PROJECT_BINARY_DIR}/generated/neapConfigVersion.cmake
  DESTINATION ${package_dir})
install(EXPORT neap NAMESPACE neap:: FILE neapTargets.cmake
  DESTINATION ${package_dir})

# --- A package for Debian: ./dev package -------------------------------------

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME neap)
set(CPACK_PACKAGE_VENDOR neap)
set(CPACK_PACKAGE_CONTACT "the neap developers <neap@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY ${PROJECT_DESCRIPTION})
set(CPACK_PACKAGE_DESCRIPTION "\
The neap program, the Lua module of the same name, and libneap for programs
that embed them.")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION interpreters)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
# To compile against it, which those who only run scripts do not.
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "lua5.4, liblua5.4-dev, libuv1-dev")
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${here}/triggers)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
include(CPack)
