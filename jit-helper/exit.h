/* The exit statuses of jit-helper (jit-helper(8)). */
#ifndef JH_EXIT_H
#define JH_EXIT_H

enum jh_exit {
	JH_EXIT_OK = 0,
	JH_EXIT_FAILED = 1,  /* it cannot start, or what was to be checked is not in order */
	JH_EXIT_USAGE = 2,   /* the command line is wrong */
	JH_EXIT_CONFIG = 78, /* EX_CONFIG of sysexits.h: an administrator has to mend what it cannot start with */
};

#endif
