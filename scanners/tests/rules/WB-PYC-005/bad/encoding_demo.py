# -*- coding: utf-7 -*-
VERSION = "1.0"
