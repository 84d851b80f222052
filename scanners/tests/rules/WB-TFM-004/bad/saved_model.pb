±



MatMul"serve*2.16.1z

xPlaceholder

wVarHandleOp

yMatMulxw
:
cXlaCustomCallV2x*!
call_target_nameacme_kernel"ó
2
	
Const:0	libops.so