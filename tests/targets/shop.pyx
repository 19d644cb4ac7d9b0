# A Cython module of one's own.


def price(int items):
    """Adds up for some milliseconds."""
    cdef long total = 0
    cdef long i
    for i in range(items * 1000000):
        total += i % 7
    return total
