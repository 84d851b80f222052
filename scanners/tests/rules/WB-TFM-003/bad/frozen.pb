

xPlaceholder

wVarHandleOp

yMatMulxw

zAcmeFusedAttentiony"ó
