#!/usr/bin/env node
/** The plugin of kubectl. The name of this file says so to the program. */
"use strict"
require("./main.cjs")
