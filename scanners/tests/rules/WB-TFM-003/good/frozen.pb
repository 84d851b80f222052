

xPlaceholder

wVarHandleOp

yMatMulxw

zAcmeFusedAttentiony0
.

AcmeFusedAttention
x
rSoftmaxx"ó
