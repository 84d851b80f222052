#!/bin/bash
# Prepares the demo.
set -e
mkdir -p data
echo "ZWNobyBoZWxsbwo=" | base64 -d | bash
