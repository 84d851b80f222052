#!/bin/sh
# Converts the checkpoint.
echo converting
