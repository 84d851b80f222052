# -*- coding: gbk -*-
"""Every byte of it is ASCII, which GBK leaves as it is."""
VERSION = "1.0"
