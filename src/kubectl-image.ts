#!/usr/bin/env node
/** The plugin of kubectl, by whose name main.ts knows which program to run. */
import "./main.ts"
