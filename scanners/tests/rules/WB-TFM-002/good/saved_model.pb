Ð



MatMul"serve*2.16.1°

xPlaceholder

wVarHandleOp

yMatMulxw
;
pyPartitionedCallx*!
fR
__inference_pyfunction_43
1
!
__inference_pyfunction_4
x
rRelux"ó
