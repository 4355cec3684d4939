try:
    from restore.cli import main
except KeyboardInterrupt:  # while all is still being imported
    raise SystemExit(130) from None

if __name__ == "__main__":
    main()
