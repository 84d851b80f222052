class Net:
    width = 3
