u



MatMul"serve*2.16.1>

xPlaceholder

wVarHandleOp

yMatMulxw"ó
2
	
Const:0	vocab.txt